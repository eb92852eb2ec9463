/** `fairlead node …`: the hosts of a site, thin, through the agent's API. */
import type { ListedNode } from '../host/site-nodes.ts';
import { apiClient } from './api-client.ts';
import {
  apiOptions,
  outputOptions,
  switchRow,
  type ApiOptions,
  type OutputOptions,
} from './cluster-options.ts';
import { columns } from './cluster-text.ts';
import type { CommandContext, CommandRow } from './command.ts';
import { readOptions, rowsOf, type OptionTable } from './option.ts';

interface NodesAnswer {
  readonly nodes: readonly ListedNode[];
}

async function ask(
  { sources }: CommandContext,
  request: { readonly method: 'GET' | 'POST'; readonly path: string; readonly body?: unknown },
): Promise<NodesAnswer> {
  const { apiSocket } = readOptions<ApiOptions>(apiOptions, sources);
  return (await apiClient(apiSocket).ask(request)) as NodesAnswer;
}

/** The hosts as a person reads them. */
export function nodesText(nodes: readonly ListedNode[]): string {
  const header = ['NAME', 'NUMBER', 'TUNNEL', 'PATH MTU', 'VERSION', 'STATE'];
  const rows = nodes.map(({ name, number, vtep, pathMtu, version, self, removing }) => [
    self ? `${name} *` : name,
    String(number),
    vtep,
    String(pathMtu),
    version,
    removing ? 'being removed' : 'listed',
  ]);
  return columns([header, ...rows]);
}

const listCommand: CommandRow = {
  name: 'node list',
  summary: 'list the hosts that share networks, and where their tunnels end',
  notes: '',
  options: rowsOf(outputOptions),
  async run(context) {
    const { output } = readOptions<OutputOptions>(outputOptions, context.sources);
    const answer = await ask(context, { method: 'GET', path: '/v1/nodes' });
    context.writeOut(output === 'json' ? `${JSON.stringify(answer)}\n` : nodesText(answer.nodes));
  },
};

const removeOptions = {
  stopped: switchRow('i-have-stopped-it', 'the host does not run, or is cut off from the network'),
  ...apiOptions,
} satisfies OptionTable<ApiOptions & { readonly stopped: boolean }>;

const removeCommand: CommandRow = {
  name: 'node remove',
  summary: 'remove a host that is gone for good, with its containers and addresses',
  notes: `For a host that is no member of the cluster any more, and for sites on an etcd; a member is taken out
with fairlead cluster remove, which does the same. What it had is free for others at once, so it must
not run: should it, it writes nothing any more, and is told at its next look at the store.

Example:
  fairlead node remove host-c --i-have-stopped-it`,
  operands: [{ name: 'NAME', summary: 'name of a host, as fairlead node list shows it' }],
  options: rowsOf(removeOptions),
  async run(context) {
    const { stopped } = readOptions(removeOptions, context.sources);
    const name = encodeURIComponent(context.sources.operands['NAME'] ?? '');
    const path = `/v1/nodes/${name}/remove`;
    const { nodes } = await ask(context, { method: 'POST', path, body: { stopped } });
    context.writeOut(nodesText(nodes));
  },
};

/** The commands of the group, in the order of help. */
export const nodeCommands: readonly CommandRow[] = [listCommand, removeCommand];
