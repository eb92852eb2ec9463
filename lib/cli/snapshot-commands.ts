/** `fairlead cluster snapshot …`: the state of a cluster in a file. */
import { createReadStream, createWriteStream } from 'node:fs';
import { rename, rm } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { pipeline } from 'node:stream/promises';
import { FairleadError } from '../errors.ts';
import { factsOfSnapshot } from '../store/replicated/snapshot-file.ts';
import type { ClusterStatus, SnapshotFacts } from '../store/replicated/cluster.ts';
import type { ApiClient } from './api-client.ts';
import { apiOptions, outputOptions, type OutputOptions } from './cluster-options.ts';
import { bytesText, columns, membersText } from './cluster-text.ts';
import type { CommandContext, CommandRow } from './command.ts';
import { readOptions, rowsOf } from './option.ts';

const fileOperand = { name: 'FILE', summary: 'path of the file' };
const fileOf = ({ sources }: CommandContext): string => sources.operands['FILE'] ?? '';

async function* linesOf(path: string): AsyncGenerator<string, void> {
  const stream = createReadStream(path);
  try {
    yield* createInterface({ input: stream, crlfDelay: Infinity });
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new FairleadError('SNAPSHOT_INVALID', `${path} cannot be read: ${why}`, { cause });
  } finally {
    stream.destroy();
  }
}

/** Written beside the place, checked, then moved there: a file of that name is always whole. */
async function save(client: ApiClient, path: string): Promise<SnapshotFacts> {
  const partial = `${path}.partial`;
  try {
    await pipeline(withEnds(client), createWriteStream(partial, { mode: 0o600, flush: true }));
    const facts = await factsOfSnapshot(linesOf(partial));
    await rename(partial, path);
    return facts;
  } catch (thrown) {
    await rm(partial, { force: true });
    if (thrown instanceof FairleadError) throw thrown;
    const why = thrown instanceof Error ? thrown.message : String(thrown);
    throw new FairleadError('SNAPSHOT_INVALID', `${path} cannot be written: ${why}`, {
      fix: 'choose another path',
      cause: thrown,
    });
  }
}

/** The lines that the agent sends, each with its end. */
async function* withEnds(client: ApiClient): AsyncGenerator<string, void> {
  const asked = { method: 'GET', path: '/v1/cluster/snapshot' } as const;
  for await (const line of client.lines(asked)) yield `${line}\n`;
}

function factsText(facts: SnapshotFacts): string {
  return columns([
    ['cluster', facts.clusterId],
    ['epoch', String(facts.epoch)],
    ['revision', String(facts.revision)],
    ['entry', `${facts.index} of term ${facts.term}`],
    ['rows', String(facts.rows)],
    ['size', bytesText(facts.bytes)],
    ['digest', facts.digest],
    ['taken', `${new Date(facts.takenAtMs).toISOString()} by ${facts.takenBy}`],
  ]);
}

/** The commands, given how to reach the agent. */
export function snapshotCommands(
  clientOf: (context: CommandContext) => ApiClient,
): readonly CommandRow[] {
  return [
    {
      name: 'cluster snapshot save',
      summary: 'write the state of the cluster to a file and verify it',
      notes:
        'Any member can do it, also without quorum. Keep the file as safe as the cluster itself.',
      operands: [fileOperand],
      options: rowsOf(apiOptions),
      async run(context) {
        const facts = await save(clientOf(context), fileOf(context));
        context.writeOut(
          `saved and verified to revision ${facts.revision} (entry ${facts.index}): ${fileOf(context)}\n`,
        );
      },
    },
    {
      name: 'cluster snapshot inspect',
      summary: 'verify a file and say what is in it; needs no agent',
      notes: '',
      operands: [fileOperand],
      options: [outputOptions.output],
      async run(context) {
        const { output } = readOptions<OutputOptions>(outputOptions, context.sources);
        const facts = await factsOfSnapshot(linesOf(fileOf(context)));
        context.writeOut(output === 'json' ? `${JSON.stringify(facts)}\n` : factsText(facts));
      },
    },
    {
      name: 'cluster snapshot restore',
      summary: 'replace the state of this host, which must be alone, by a file',
      notes: `The result is a new cluster: revisions go on far above those of the file, hosts of the old cluster
are refused and join again.`,
      operands: [fileOperand],
      options: rowsOf(apiOptions),
      async run(context) {
        // the whole file is checked before the agent is asked to change anything
        await factsOfSnapshot(linesOf(fileOf(context)));
        const asked = { method: 'POST', path: '/v1/cluster/snapshot' } as const;
        const lines = linesOf(fileOf(context));
        const status = (await clientOf(context).ask({ ...asked, lines })) as ClusterStatus;
        context.writeOut(membersText(status));
      },
    },
  ];
}
