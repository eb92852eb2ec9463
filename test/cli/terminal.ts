/** A command line without a process: what was written, what was started, and the exit code. */
import type { AgentOptions } from '../../lib/cli/agent-options.ts';
import { main } from '../../lib/cli/main.ts';

export interface Run {
  readonly exitCode: number;
  readonly out: string;
  readonly error: string;
  /** Options of the agent, when it was started. */
  readonly agent: AgentOptions | undefined;
}

export interface RunSettings {
  readonly environment?: Record<string, string>;
  readonly hostName?: string;
  readonly stdoutIsTty?: boolean;
  readonly stderrIsTty?: boolean;
  readonly calledAs?: readonly string[];
  readonly startFails?: Error;
}

/** Runs one command line; the "agent" only writes down its options, a "plugin" does nothing. */
export async function run(args: readonly string[], settings: RunSettings = {}): Promise<Run> {
  let out = '';
  let error = '';
  let agent: AgentOptions | undefined;
  const exitCode = await main(
    args,
    {
      environment: settings.environment ?? {},
      hostName: settings.hostName ?? 'edge-1',
      stdoutIsTty: settings.stdoutIsTty ?? false,
      stderrIsTty: settings.stderrIsTty ?? false,
      calledAs: settings.calledAs ?? ['fairlead'],
      columns: 100,
      writeOut: (text) => void (out += text),
      writeError: (text) => void (error += text),
    },
    {
      async agent(options) {
        if (settings.startFails !== undefined) throw settings.startFails;
        agent = options;
      },
      async plugin() {},
    },
  );
  return { exitCode, out, error, agent };
}
