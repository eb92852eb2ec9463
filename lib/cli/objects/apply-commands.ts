/**
 * `fairlead apply|diff|delete -f` and `fairlead export`: objects as documents in files, through the agent's API.
 * What order is right, what would change and what is wrong, the API says.
 */
import { FairleadError } from '../../errors.ts';
import {
  documentKinds,
  mayBeUnresolved,
  type ObjectDocument,
} from '../../model/objects/document.ts';
import { namedByRules, NamesThere } from '../../model/objects/unresolved.ts';
import type { ObjectKind } from '../../model/objects/kind.ts';
import type { ApiClient } from '../api-client.ts';
import { clientOf } from '../cluster-commands.ts';
import { outputOptions, switchRow, type OutputOptions } from '../cluster-options.ts';
import type { CommandContext, CommandRow } from '../command.ts';
import { formRow } from '../form-option.ts';
import { readOptions, rowsOf, type OptionTable } from '../option.ts';
import { type Reading } from '../reading.ts';
import { codeOf, differenceText, outcomeText, type ApplyLine } from './apply-text.ts';
import { readDocuments } from './files.ts';
import { nouns } from './nouns.ts';
import { tenantOption } from './object-commands.ts';
import { yamlText } from './yaml.ts';

interface FileOptions extends OutputOptions {
  readonly file: readonly string[];
  readonly tenant: string;
}
const fileOptions: OptionTable<FileOptions> = {
  file: {
    flag: 'file',
    short: 'f',
    placeholder: 'FILE',
    summary:
      'file or directory of YAML or JSON documents, - for standard input; may be given again',
    defaultShown: 'none',
    defaultText: undefined,
    hasVariable: false,
    isRepeatable: true,
    read: (text): Reading<readonly string[]> => ({ value: text.split('\n') }),
  },
  tenant: { ...tenantOption, summary: 'tenant of documents that say none' },
  ...outputOptions,
};

interface TryOptions extends FileOptions {
  readonly dryRun: boolean;
}
const tryOptions: OptionTable<TryOptions> = {
  dryRun: switchRow('dry-run', 'check everything, and change nothing'),
  ...fileOptions,
};

const orderNote = `All documents are checked before the first is done. Each is a transaction of its own: when one is refused, those
before it stay done and those behind it are tried; the exit code is that of the first refusal. To repeat it is safe.`;

/** The commands. */
export const applyCommands: readonly CommandRow[] = [
  {
    name: 'apply',
    summary: 'make objects what files say; what they are already stays',
    notes: `${orderNote}

Examples:
  fairlead apply -f site.yaml
  fairlead export | ssh other-host fairlead apply -f -`,
    options: rowsOf(tryOptions),
    run: (context) => send(context, 'apply'),
  },
  {
    name: 'diff',
    summary: 'show what apply would change',
    notes: 'Exit code 0: nothing; 1: something, and it is shown; more: it could not be found out.',
    options: rowsOf(fileOptions),
    run: diff,
  },
  {
    name: 'delete',
    summary: 'remove the objects that files name',
    notes: `${orderNote} What is not there counts as removed.`,
    options: rowsOf(tryOptions),
    run: (context) => send(context, 'remove'),
  },
];

function documentsFor({ sources }: CommandContext): ReturnType<typeof readDocuments> {
  const { file, tenant } = readOptions<Partial<FileOptions>>(fileOptions, sources);
  if (file !== undefined) return readDocuments(file, tenant ?? 'default');
  throw new FairleadError('USAGE', 'no file is given', {
    fix: 'give -f FILE, or -f - for standard input',
  });
}

/** The lines of the API's answer; the last one has come. */
async function* answers(
  client: ApiClient,
  asked: {
    readonly action: string;
    readonly documents: readonly object[];
    readonly dryRun: boolean;
  },
): AsyncGenerator<ApplyLine, void> {
  const { action, documents, dryRun } = asked;
  const path = `/v1/apply?dryRun=${dryRun}`;
  let isComplete = false;
  for await (const text of client.lines({ method: 'POST', path, body: { action, documents } })) {
    const line = JSON.parse(text) as ApplyLine;
    isComplete = line.complete !== undefined;
    yield line;
  }
  if (!isComplete) {
    throw new FairleadError(
      'AGENT_DOWN',
      'the answer broke off: what is listed was done, the rest is unknown',
      {
        fix: 'repeat the command',
      },
    );
  }
}

async function send(context: CommandContext, action: 'apply' | 'remove'): Promise<void> {
  const { dryRun, output } = readOptions<TryOptions>(tryOptions, context.sources);
  const documents = documentsFor(context);
  const refusals: ApplyLine[] = [];
  for await (const line of answers(clientOf(context), { action, documents, dryRun })) {
    if (line.error !== undefined) refusals.push(line);
    if (output === 'json') context.writeOut(`${JSON.stringify(line)}\n`);
    else if (line.complete === undefined) context.writeOut(outcomeText(line, dryRun));
  }
  requireNone(refusals, documents.length);
}

async function diff(context: CommandContext): Promise<number> {
  const { output } = readOptions<OutputOptions>(outputOptions, context.sources);
  const documents = documentsFor(context);
  const asked = { action: 'apply', documents, dryRun: true };
  const refusals: ApplyLine[] = [];
  let isSame = true;
  for await (const line of answers(clientOf(context), asked)) {
    if (line.error !== undefined) refusals.push(line);
    if (line.complete === undefined && line.outcome !== 'unchanged') isSame = false;
    if (output === 'json') context.writeOut(`${JSON.stringify(line)}\n`);
    else if (line.complete === undefined) context.writeOut(differenceText(line));
  }
  requireNone(refusals, documents.length);
  return isSame ? 0 : 1;
}

function requireNone(refusals: readonly ApplyLine[], documents: number): void {
  const [first] = refusals;
  if (first === undefined) return;
  const code = codeOf(first) ?? 'INTERNAL';
  const { fix } = first.error ?? {};
  const message = `${refusals.length} of ${documents} documents refused, first: ${first.error?.message}`;
  throw new FairleadError(code, message, fix === undefined ? {} : { fix });
}

const exportForms = ['yaml', 'json'] as const;
interface ExportOptions extends Omit<OutputOptions, 'output'> {
  readonly form: (typeof exportForms)[number];
  readonly tenant?: string;
}
const { output: _form, ...apiOnly } = outputOptions;
const exportOptions: OptionTable<ExportOptions> = {
  form: formRow(exportForms),
  tenant: {
    ...tenantOption,
    summary: 'the tenant and what belongs to it, and nothing else',
    defaultShown: 'all',
    defaultText: undefined,
    hasVariable: false,
  },
  ...apiOnly,
};

/** Writes the site as documents. */
export const exportCommand: CommandRow = {
  name: 'export',
  summary: 'write objects as documents that apply takes',
  notes: `In an order in which they can be made. Each kind is as it was at one revision; what changes while it is written may
be in one kind and not yet in another. A rule that names a group or network that is gone is marked (metadata.unresolved),
and made again as it is.`,
  operands: [
    {
      name: 'NOUNS',
      summary: `nouns or kinds with commas between them: ${documentKinds.map(nounOf).join(',')}; all when there is none`,
      optional: true,
    },
  ],
  options: rowsOf(exportOptions),
  async run(context) {
    const { form, tenant } = readOptions<ExportOptions>(exportOptions, context.sources);
    const client = clientOf(context);
    const documents: object[] = [];
    const chosen = new Set(chosenKinds(context.sources.operands['NOUNS']));
    const there = new NamesThere();
    for (const kind of documentKinds) {
      const isLookedAt = namedByRules.has(kind.name) && [...chosen].some(mayBeUnresolved);
      if (!chosen.has(kind) && !isLookedAt) continue;
      for await (const item of itemsOf(client, kind, tenant)) {
        there.add(item);
        if (!chosen.has(kind)) continue;
        const { revision: _is, ...metadata } = there.metadataOf(item);
        const document = { ...item, metadata };
        if (form === 'json') documents.push(document);
        else context.writeOut(`---\n${yamlText(document)}`);
      }
    }
    if (form === 'json') context.writeOut(`${JSON.stringify(documents, undefined, 2)}\n`);
  },
};

function nounOf({ name }: ObjectKind): string {
  return nouns.find(({ kind }) => kind.name === name)?.name ?? name;
}

function chosenKinds(text: string | undefined): readonly ObjectKind[] {
  if (text === undefined) return documentKinds;
  const words = text.split(',');
  const unknown = words.find((word) => !documentKinds.some((kind) => isMeant(kind, word)));
  if (unknown !== undefined) {
    throw new FairleadError('USAGE', `there is no noun ${JSON.stringify(unknown.slice(0, 64))}`, {
      fix: `choose of ${documentKinds.map(nounOf).join(',')}`,
    });
  }
  return documentKinds.filter((kind) => words.some((word) => isMeant(kind, word)));
}

const isMeant = (kind: ObjectKind, word: string): boolean =>
  word === kind.name || word === nounOf(kind) || word === kind.plural;

type Item = Pick<ObjectDocument, 'kind' | 'metadata' | 'spec'>;

async function* itemsOf(
  client: ApiClient,
  kind: ObjectKind,
  tenant: string | undefined,
): AsyncGenerator<Item, void> {
  const field = kind.name === 'tenant' ? 'name' : 'tenant';
  if (tenant !== undefined && kind.key[0] !== 'tenantName') return;
  const selector =
    tenant === undefined ? '' : `selector=${encodeURIComponent(`${field}=${tenant}`)}&`;
  let next: string | undefined;
  do {
    const more = next === undefined ? '' : `continue=${encodeURIComponent(next)}`;
    const path = `/v1/${kind.plural}?${selector}${more}`;
    const page = (await client.ask({ method: 'GET', path })) as {
      readonly items: readonly Item[];
      readonly continue?: string;
    };
    yield* page.items;
    next = page.continue;
  } while (next !== undefined);
}
