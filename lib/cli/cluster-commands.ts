/** `fairlead cluster …`: thin, everything through the agent's API. */
import type { ClusterStatus, RecoveryReport, TokenAnswer } from '../store/replicated/cluster.ts';
import { apiClient, type ApiClient } from './api-client.ts';
import {
  apiOptions,
  listenOptions,
  outputOptions,
  switchRow,
  tokenOptions,
  type ApiOptions,
  type OutputOptions,
} from './cluster-options.ts';
import { membersText, recoveryText, statusText } from './cluster-text.ts';
import type { CommandContext, CommandRow } from './command.ts';
import { readOptions, rowsOf, type OptionTable } from './option.ts';
import { joinCommands } from './join-commands.ts';
import { snapshotCommands } from './snapshot-commands.ts';

/** The agent that a command speaks to. */
export function clientOf({ sources }: CommandContext): ApiClient {
  return apiClient(readOptions<ApiOptions>(apiOptions, sources).apiSocket);
}

const nameOperand = {
  name: 'NAME',
  summary: 'name of a member, as fairlead cluster members shows it',
};

/** A command that changes something about one member and shows the members afterwards. */
function memberCommand(
  name: string,
  summary: string,
  notes: string,
  extra?: OptionTable<{ readonly force: boolean }>,
): CommandRow {
  const verb = name.split(' ').at(-1) ?? '';
  return {
    name,
    summary,
    notes,
    operands: [nameOperand],
    options: [...(extra === undefined ? [] : rowsOf(extra)), ...rowsOf(apiOptions)],
    async run(context) {
      const { force } =
        extra === undefined ? { force: false } : readOptions(extra, context.sources);
      const member = encodeURIComponent(context.sources.operands['NAME'] ?? '');
      const path = `/v1/cluster/members/${member}/${verb}`;
      await show(context, { path, body: { force } });
    },
  };
}

async function show(
  context: CommandContext,
  asked: { readonly path: string; readonly body: unknown },
): Promise<void> {
  const status = (await clientOf(context).ask({ method: 'POST', ...asked })) as ClusterStatus;
  context.writeOut(membersText(status));
}

const statusCommand = (name: string, summary: string, text: (status: ClusterStatus) => string) => ({
  name,
  summary,
  notes: `Exit code 0: all is well; 1: something needs attention, and stands at the top; 5: no quorum.`,
  options: rowsOf(outputOptions),
  async run(context: CommandContext) {
    const { output } = readOptions<OutputOptions>(outputOptions, context.sources);
    const asked = { method: 'GET', path: '/v1/cluster' } as const;
    const status = (await clientOf(context).ask(asked)) as ClusterStatus;
    context.writeOut(output === 'json' ? `${JSON.stringify(status)}\n` : text(status));
    if (status.problems.some(({ code }) => code === 'QUORUM_LOST')) return 5;
    return status.problems.length > 0 ? 1 : 0;
  },
});

const initCommand: CommandRow = {
  name: 'cluster init',
  summary: 'let other hosts join this one: open the port, make the certificates',
  notes: `A host is a cluster of its own from its first start; init lets others in. Again: changes where it listens.`,
  options: rowsOf(listenOptions),
  async run(context) {
    const { listen, advertise } = readOptions(listenOptions, context.sources);
    await show(context, { path: '/v1/cluster/init', body: { listen, advertise } });
    context.writeOut('next: fairlead cluster token\n');
  },
};

const tokenCommand: CommandRow = {
  name: 'cluster token',
  summary: 'print the line with which another host joins',
  notes: `The token is a secret until it expires or is used up. Paste the printed line on the other host.

Examples:
  fairlead cluster token
  fairlead cluster token --role voter --uses 2 --ttl 15m`,
  options: rowsOf(tokenOptions),
  async run(context) {
    const { role, ttlMs, uses, listen, advertise } = readOptions(tokenOptions, context.sources);
    const body = { role, ttlMs, uses, listen, advertise };
    const asked = { method: 'POST', path: '/v1/cluster/token', body } as const;
    const answer = (await clientOf(context).ask(asked)) as TokenAnswer;
    context.writeOut(`fairlead cluster join ${answer.token}\n`);
  },
};

const forceOption = {
  force: switchRow('force', 'although the rest may then be no living majority'),
};

const leaveCommand: CommandRow = {
  name: 'cluster leave',
  summary: 'take this host out of its cluster; it is then one of its own, without networks',
  notes: '',
  options: rowsOf(apiOptions),
  run: (context) => show(context, { path: '/v1/cluster/leave', body: {} }),
};

const rotateCommand: CommandRow = {
  name: 'cluster rotate',
  summary: 'replace the authority and the certificates of all members, while they run',
  notes: `The old authority stays trusted until every member has a new certificate.`,
  options: rowsOf(apiOptions),
  run: (context) => show(context, { path: '/v1/cluster/rotate', body: {} }),
};

const transferCommand: CommandRow = {
  name: 'cluster transfer',
  summary: 'hand leadership to another voter',
  notes: '',
  operands: [{ ...nameOperand, optional: true }],
  options: rowsOf(apiOptions),
  run: (context) =>
    show(context, {
      path: '/v1/cluster/transfer',
      body: { to: context.sources.operands['NAME'] },
    }),
};

const recoverOptions = {
  stopped: {
    flag: 'i-have-stopped',
    placeholder: 'NAME,…',
    summary: 'members that are gone for good or stopped; all others must be observers or this host',
    defaultShown: 'none',
    defaultText: '',
    read: (text: string) => ({ value: text === '' ? [] : text.split(',') }),
  },
  dryRun: switchRow('dry-run', 'say what would be lost and change nothing'),
  ...apiOptions,
} satisfies OptionTable<
  ApiOptions & { readonly stopped: readonly string[]; readonly dryRun: boolean }
>;

const recoverCommand: CommandRow = {
  name: 'cluster recover',
  summary: 'make this host alone the cluster after the majority of voters is gone for good',
  notes: `What the lost voters acknowledged and this host never received is lost. The others, should they come
back, are refused and join again. Run it on the member with the highest revision (fairlead cluster
status on each).

Example:
  fairlead cluster recover --i-have-stopped host-b,host-c`,
  options: rowsOf(recoverOptions),
  async run(context) {
    const { stopped, dryRun } = readOptions(recoverOptions, context.sources);
    const body = { stopped, dryRun };
    const asked = { method: 'POST', path: '/v1/cluster/recover', body } as const;
    const report = (await clientOf(context).ask(asked)) as RecoveryReport;
    context.writeOut(recoveryText(report, dryRun));
  },
};

/** The commands of the group, in the order of help. */
export const clusterCommands: readonly CommandRow[] = [
  statusCommand('cluster status', 'show the cluster and what is wrong with it', statusText),
  statusCommand('cluster members', 'list the members', membersText),
  initCommand,
  tokenCommand,
  ...joinCommands(clientOf),
  memberCommand('cluster promote', 'make a member a voter', ''),
  memberCommand('cluster demote', 'make a voter an observer', ''),
  memberCommand(
    'cluster remove',
    'take a member out; when it returns it is told so and stops',
    '',
    forceOption,
  ),
  leaveCommand,
  transferCommand,
  rotateCommand,
  ...snapshotCommands(clientOf),
  recoverCommand,
];
