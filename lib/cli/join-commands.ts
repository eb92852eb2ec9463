/** `fairlead cluster join` and `answer`: by a pasted line, or by files that are carried. */
import { readFile, writeFile } from 'node:fs/promises';
import { FairleadError } from '../errors.ts';
import type { ClusterStatus } from '../store/replicated/cluster.ts';
import type { ApiClient } from './api-client.ts';
import { apiOptions, listenOptions, tokenOptions, type ListenOptions } from './cluster-options.ts';
import { membersText } from './cluster-text.ts';
import type { CommandContext, CommandRow } from './command.ts';
import { readOptions, rowsOf, type OptionTable } from './option.ts';
import { readPath } from './reading.ts';

interface JoinOptions extends ListenOptions {
  readonly request?: string;
  readonly answer?: string;
  readonly pin?: string;
}

const joinOptions: OptionTable<JoinOptions> = {
  request: {
    flag: 'request',
    placeholder: 'FILE',
    summary: 'write what to carry to a member, instead of asking it; FILE is an absolute path',
    defaultShown: 'none',
    defaultText: undefined,
    read: readPath,
  },
  answer: {
    flag: 'answer',
    placeholder: 'FILE',
    summary: 'join with what a member answered to the request',
    defaultShown: 'none',
    defaultText: undefined,
    read: readPath,
  },
  pin: {
    flag: 'pin',
    placeholder: 'HEX',
    summary: 'the pin that cluster answer printed, when the way of the file is not trusted',
    defaultShown: 'none',
    defaultText: undefined,
    read: (text) =>
      /^[0-9a-f]{64}$/.test(text) ? { value: text } : { mustBe: '64 hexadecimal digits' },
  },
  ...listenOptions,
};

/** The commands, given how to reach the agent. */
export function joinCommands(
  clientOf: (context: CommandContext) => ApiClient,
): readonly CommandRow[] {
  return [
    {
      name: 'cluster join',
      summary: 'make this host a member of the cluster that printed the token',
      notes: `This host must have no networks of its own. Hosts that cannot reach each other yet join by file:
  here:         fairlead cluster join --request /media/usb/host-b.request
  on a voter:   fairlead cluster answer /media/usb/host-b.request /media/usb/host-b.answer
  here:         fairlead cluster join --answer /media/usb/host-b.answer`,
      operands: [{ name: 'TOKEN', summary: 'what fairlead cluster token printed', optional: true }],
      options: rowsOf(joinOptions),
      run: (context) => join(context, clientOf(context)),
    },
    {
      name: 'cluster answer',
      summary: 'let the host in that made a join request, and write the answer to carry back',
      notes: '',
      operands: [
        { name: 'REQUEST', summary: 'file made by fairlead cluster join --request' },
        { name: 'ANSWER', summary: 'file to write' },
      ],
      options: [tokenOptions.role, ...rowsOf(apiOptions)],
      async run(context) {
        const { operands } = context.sources;
        const { role } = readOptions({ role: tokenOptions.role }, context.sources);
        const body = { text: await readText(operands['REQUEST'] ?? ''), role };
        const asked = { method: 'POST', path: '/v1/cluster/join/answer', body } as const;
        const client = clientOf(context);
        const answer = (await client.ask(asked)) as { readonly text: string };
        await writeText(operands['ANSWER'] ?? '', answer.text);
        const status = (await client.ask({
          method: 'GET',
          path: '/v1/cluster',
        })) as ClusterStatus;
        context.writeOut(`pin ${status.pin ?? ''}\n`);
      },
    },
  ];
}

async function join(context: CommandContext, client: ApiClient): Promise<void> {
  const options = readOptions(joinOptions, context.sources);
  const { listen, advertise, request, answer, pin } = options;
  const token = context.sources.operands['TOKEN'];
  if ([token, request, answer].filter((way) => way !== undefined).length !== 1) {
    throw new FairleadError(
      'USAGE',
      'cluster join takes TOKEN, --request or --answer, and one of them',
      {
        fix: 'see fairlead cluster join --help',
      },
    );
  }
  if (request !== undefined) {
    const body = { listen, advertise };
    const asked = { method: 'POST', path: '/v1/cluster/join/request', body } as const;
    const made = (await client.ask(asked)) as { readonly text: string };
    await writeText(request, made.text);
    return;
  }
  const asked =
    answer === undefined
      ? { path: '/v1/cluster/join', body: { token, listen, advertise } }
      : { path: '/v1/cluster/join/accept', body: { text: await readText(answer), pin } };
  const status = (await client.ask({ method: 'POST', ...asked })) as ClusterStatus;
  context.writeOut(membersText(status));
}

async function readText(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (cause) {
    throw fileError(path, cause);
  }
}

async function writeText(path: string, text: string): Promise<void> {
  try {
    await writeFile(path, text, { mode: 0o600, flush: true });
  } catch (cause) {
    throw fileError(path, cause);
  }
}

function fileError(path: string, cause: unknown): FairleadError {
  const why = cause instanceof Error ? cause.message : String(cause);
  return new FairleadError('USAGE', `${path}: ${why}`, { fix: 'choose another file', cause });
}
