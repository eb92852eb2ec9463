/**
 * `netctl`, from its words to an exit code. The server is the one that is named; when none is, the agent of
 * this host by its socket, and where no agent is, Contiv's default.
 */
import { statSync } from 'node:fs';
import { homedir } from 'node:os';
import type { Clock } from '../../clock.ts';
import { commit, version } from '../../version.ts';
import type { Input, Surroundings, VersionFacts } from './core/command.ts';
import { exitCodes, NetctlError } from './core/ending.ts';
import { readInvocation, type Invocation, type Reading } from './core/invocation.ts';
import { errorLogLine } from './core/log-line.ts';
import { netmasterOver } from './core/netmaster.ts';
import { runCommand } from './core/run.ts';
import { versionText } from './core/commands/own.ts';
import { createPrompter, type AnswerStream } from './prompt.ts';
import { serverTransport, socketOf, type ServerChoice } from './server-transport.ts';
import { readToken, tokenPath, writeToken } from './token-file.ts';

/** What netctl takes from the process around it. */
export interface NetctlSurroundings {
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly stderrIsTty: boolean;
  readonly writeOut: (text: string) => void;
  readonly writeError: (text: string) => void;
  /** Socket of the agent on this host. */
  readonly agentSocket: string;
  readonly clock: Clock;
  /** The standard input, opened when a question is asked. */
  readonly openInput: () => AnswerStream;
}

/**
 * Does what the words behind `netctl` say.
 * @returns Contiv's exit codes: 0 done, 1 wrong arguments, 2 no version, 3 refused, 4 a local file
 */
export async function netctl(args: readonly string[], around: NetctlSurroundings): Promise<number> {
  const startedMs = around.clock.monotonicMs();
  const log = (message: string) =>
    around.writeError(
      errorLogLine(message, {
        time: localTime(around.clock.wallMs()),
        sinceStartSeconds: Math.floor((around.clock.monotonicMs() - startedMs) / 1_000),
        isTerminal: around.stderrIsTty,
      }),
    );
  const reading = readInvocation(args, around.environment, versionText(clientVersion));
  const { invocation } = reading;
  if (invocation.kind === 'text') {
    around.writeOut(invocation.text);
    return 0;
  }
  if (invocation.kind === 'wrong') {
    log(invocation.complaint);
    around.writeOut(`Incorrect Usage.\n\n${invocation.page}`);
    return exitCodes.usage;
  }
  return runLogged(invocation, reading, { ...around, log });
}

async function runLogged(
  invocation: Extract<Invocation, { kind: 'command' }>,
  reading: Reading,
  around: NetctlSurroundings & { readonly log: (message: string) => void },
): Promise<number> {
  const server = serverOf(reading, around.agentSocket);
  try {
    await runCommand(invocation.row, invocation, surroundings(server, reading.global, around));
    return 0;
  } catch (thrown) {
    if (!(thrown instanceof NetctlError)) throw thrown;
    if (thrown.message !== '') around.log(thrown.message);
    if (thrown.showHelp) around.writeOut(invocation.page);
    const isUnreached = thrown.cause !== undefined && thrown.exitCode !== exitCodes.local;
    if (isUnreached && server.isDefault) {
      around.writeError(
        `# no agent answers at ${around.agentSocket}, and neither --netmaster nor NETMASTER names a server\n`,
      );
    }
    return thrown.exitCode;
  }
}

function surroundings(
  { server }: { readonly server: string },
  global: Input,
  around: NetctlSurroundings,
): Surroundings {
  const { writeOut, writeError, environment } = around;
  const isInsecure = global.isOn('insecure');
  const path = tokenPath(environment['HOME'] ?? homedir());
  return {
    writeOut,
    writeError,
    serverUrl: server,
    clientVersion,
    transport: () => serverTransport({ server, isInsecure }),
    async netmaster() {
      const isSocket = socketOf(server) !== undefined;
      if (!isSocket && !isUrl(server)) {
        throw new NetctlError(exitCodes.usage, 'Error connecting to netmaster');
      }
      const token = isSocket ? undefined : await readToken(path, server);
      const choice: ServerChoice = {
        server,
        isInsecure,
        ...(token === undefined ? {} : { token }),
      };
      return netmasterOver(serverTransport(choice));
    },
    ...createPrompter(around.openInput, writeOut),
    keepToken: (text) => writeToken(path, text),
  };
}

function isUrl(server: string): boolean {
  return /^https?:\/\//.test(server) && URL.canParse(server);
}

/** The server, and whether it is Contiv's default, which nobody may have. */
function serverOf(
  { global, isServerNamed }: Reading,
  agentSocket: string,
): { readonly server: string; readonly isDefault: boolean } {
  const named = global.text('netmaster');
  if (isServerNamed) return { server: named, isDefault: false };
  return isSocketThere(agentSocket)
    ? { server: `unix:${agentSocket}`, isDefault: false }
    : { server: named, isDefault: true };
}

function isSocketThere(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isSocket() ?? false;
}

const clientVersion: VersionFacts = { Version: version, GitCommit: commit ?? '', BuildTime: '' };

/** RFC 3339 in whole seconds, with the offset of this machine. */
function localTime(wallMs: number): string {
  const offsetMinutes = -new Date(wallMs).getTimezoneOffset();
  const text = new Date(wallMs + offsetMinutes * 60_000).toISOString().slice(0, 19);
  if (offsetMinutes === 0) return `${text}Z`;
  const two = (number: number) => String(number).padStart(2, '0');
  const minutes = Math.abs(offsetMinutes);
  return `${text}${offsetMinutes < 0 ? '-' : '+'}${two(Math.floor(minutes / 60))}:${two(minutes % 60)}`;
}
