/**
 * `fairlead NOUN ls|get|create|set|rm`: the objects of the model through the agent's API, with the same requests
 * as Contiv's clients make. Nothing here decides anything: flags become fields, and the API says what is wrong.
 */
import { FairleadError } from '../../errors.ts';
import { specFields } from '../../model/objects/document.ts';
import { fieldNames } from '../../model/objects/read-config.ts';
import { selectorFields } from '../../model/objects/selector.ts';
import { clientOf } from '../cluster-commands.ts';
import { apiOptions, switchRow, type ApiOptions } from '../cluster-options.ts';
import type { CommandContext, CommandRow } from '../command.ts';
import { formRow } from '../form-option.ts';
import { readOptions, rowsOf, type OptionRow, type OptionTable } from '../option.ts';
import { type Reading } from '../reading.ts';
import {
  inspectionText,
  listText,
  objectForms,
  type ObjectForm,
  type ShownObject,
} from './forms.ts';
import { listedEndpoints } from './endpoint-list.ts';
import { fieldOptions, flagOf, nouns, settableFields, type Noun, type Verb } from './nouns.ts';

interface ObjectOptions extends ApiOptions {
  readonly output: ObjectForm;
}
const shownOptions: OptionTable<ObjectOptions> = {
  output: formRow(objectForms),
  ...apiOptions,
};

/** The tenant that objects belong to. */
export const tenantOption: OptionRow<string> = {
  flag: 'tenant',
  short: 't',
  placeholder: 'TENANT',
  summary: 'tenant it belongs to',
  defaultShown: 'default',
  defaultText: 'default',
  read: (text): Reading<string> => (text === '' ? { mustBe: 'a name' } : { value: text }),
};
const selector: OptionRow<string> = {
  flag: 'selector',
  short: 'l',
  placeholder: 'FIELD=VALUE,…',
  summary: 'only those whose fields are so, or with != are not',
  defaultShown: 'none',
  defaultText: undefined,
  hasVariable: false,
  read: (text) => ({ value: text }),
};
const allTenants = switchRow('all-tenants', 'of all tenants');
const dryRun = switchRow(
  'dry-run',
  'check everything, show the object as it would be, and change nothing',
);
const isOn = (row: OptionRow<boolean>, { sources }: CommandContext): boolean =>
  readOptions<{ readonly on: boolean }>({ on: row }, sources).on;

const tenantRows = ({ ofTenant }: Noun) => (ofTenant ? [tenantOption] : []);

const commandOf: Readonly<Record<Verb, (noun: Noun) => CommandRow>> = {
  ls: (noun) => (noun.kind.access === 'inspect' ? endpointListCommand(noun) : listCommand(noun)),
  get: getCommand,
  create: createCommand,
  set: setCommand,
  rm: rmCommand,
};

/** Every command of every noun. */
export const objectCommands: readonly CommandRow[] = nouns.flatMap((noun) =>
  noun.verbs.map((verb) => commandOf[verb](noun)),
);

function listCommand(noun: Noun): CommandRow {
  const tenants = noun.ofTenant ? [tenantOption, allTenants] : [];
  return {
    name: `${noun.name} ls`,
    summary: `list ${noun.several}`,
    notes: `--selector knows the fields ${[...selectorFields(noun.kind).keys()].join(', ')}. All conditions must hold; a list
has each text that is in it.`,
    options: [...tenants, selector, ...rowsOf(shownOptions)],
    async run(context) {
      const { output } = readOptions(shownOptions, context.sources);
      const { selector: text = '' } = context.sources.flags;
      const query = text === '' ? '' : `?selector=${encodeURIComponent(text)}`;
      const path = `/api/v1/${noun.kind.plural}/${query}`;
      const all = (await clientOf(context).ask({ method: 'GET', path })) as readonly ShownObject[];
      const isAll = !noun.ofTenant || isOn(allTenants, context);
      const tenant = tenantOf(context);
      const objects = isAll ? all : all.filter(({ tenantName }) => tenantName === tenant);
      context.writeOut(listText(noun, objects, output));
    },
  };
}

function endpointListCommand(noun: Noun): CommandRow {
  return {
    name: `${noun.name} ls`,
    summary: `list ${noun.several}`,
    notes: 'Each network is asked for its containers, one after the other.',
    options: [tenantOption, allTenants, ...rowsOf(shownOptions)],
    async run(context) {
      const { output } = readOptions(shownOptions, context.sources);
      const tenant = isOn(allTenants, context) ? undefined : tenantOf(context);
      const found = await listedEndpoints(clientOf(context), tenant);
      context.writeOut(listText(noun, found, output));
    },
  };
}

function getCommand(noun: Noun): CommandRow {
  return {
    name: `${noun.name} get`,
    summary: `show all about ${oneOf(noun)}`,
    notes: '',
    operands: noun.operands,
    options: [...tenantRows(noun), ...rowsOf(shownOptions)],
    async run(context) {
      const { output } = readOptions(shownOptions, context.sources);
      const path = `/api/v1/inspect/${noun.kind.plural}/${pathKey(keyOf(noun, context))}/`;
      const inspected = (await clientOf(context).ask({ method: 'GET', path })) as ShownObject;
      context.writeOut(inspectionText(noun, inspected, output));
    },
  };
}

function createCommand(noun: Noun): CommandRow {
  return {
    name: `${noun.name} create`,
    summary: `make ${oneOf(noun)}; refused when it is there`,
    notes: '',
    operands: noun.operands,
    options: [
      ...tenantRows(noun),
      ...fieldOptions(noun, noun.initial),
      dryRun,
      ...rowsOf(shownOptions),
    ],
    async run(context) {
      const given = givenFields(noun, context);
      const object = { ...keyFields(noun, context), ...noun.initial, ...given };
      await write(noun, context, { object, headers: { 'if-none-match': '*' }, done: 'created' });
    },
  };
}

function setCommand(noun: Noun): CommandRow {
  return {
    name: `${noun.name} set`,
    summary: `change ${oneOf(noun)}; what is not given stays`,
    notes: 'A text that is given as nothing is cleared: --FLAG "".',
    operands: noun.operands,
    options: [...tenantRows(noun), ...fieldOptions(noun), dryRun, ...rowsOf(shownOptions)],
    async run(context) {
      const path = objectPath(noun, context);
      const { value, etag } = await clientOf(context).read(path);
      const object = { ...(value as ShownObject), ...givenFields(noun, context) };
      const headers = etag === undefined ? {} : { 'if-match': etag };
      await write(noun, context, { object, headers, done: 'changed' });
    },
  };
}

function rmCommand(noun: Noun): CommandRow {
  return {
    name: `${noun.name} rm`,
    summary: `remove ${oneOf(noun)}`,
    notes: '',
    operands: noun.operands,
    options: [...tenantRows(noun), dryRun, ...rowsOf(apiOptions)],
    async run(context) {
      const isTried = isOn(dryRun, context);
      const path = isTried ? triedPath(noun, context) : objectPath(noun, context);
      await clientOf(context).ask({ method: 'DELETE', path });
      const how = isTried ? ' (dry run)' : '';
      context.writeOut(`${noun.name}/${keyOf(noun, context).join(':')} removed${how}\n`);
    },
  };
}

type Headers = Readonly<Record<string, string>>;

/** Sends an object, or shows it when it should only be tried. What is not in it has its default. */
async function write(
  noun: Noun,
  context: CommandContext,
  {
    object,
    headers,
    done,
  }: { readonly object: ShownObject; readonly headers: Headers; readonly done: string },
): Promise<void> {
  const { output } = readOptions(shownOptions, context.sources);
  const isTried = isOn(dryRun, context);
  const fields = specFields(noun.kind).filter((field) => field in object);
  const spec = Object.fromEntries(fields.map((field) => [field, object[field]]));
  const path = isTried ? triedPath(noun, context) : documentPath(noun, context);
  const answer = await clientOf(context).ask({ method: 'PUT', path, body: { spec }, headers });
  const key = keyOf(noun, context).join(':');
  if (output === 'table' && !isTried) {
    context.writeOut(`${noun.name}/${key} ${done}\n`);
    return;
  }
  const { object: shown } = answer as { readonly object?: { readonly spec: ShownObject } };
  const said: ShownObject = { ...keyFields(noun, context), ...shown?.spec };
  // as it is shown when it is asked for
  const now = fieldNames(noun.kind).filter((field) => field in said);
  const ordered = Object.fromEntries(now.map((field) => [field, said[field]]));
  context.writeOut(listText(noun, [{ key, ...ordered }], output));
}

/** The path of our own API, to which objects are declared. */
function documentPath(noun: Noun, context: CommandContext): string {
  return `/v1/${noun.kind.plural}/${keyOf(noun, context).map(encodeURIComponent).join('/')}`;
}

/** The same, to try it. */
const triedPath = (noun: Noun, context: CommandContext): string =>
  `${documentPath(noun, context)}?dryRun=true`;

function tenantOf({ sources }: CommandContext): string {
  return readOptions<{ readonly tenant: string }>({ tenant: tenantOption }, sources).tenant;
}

function keyFields(noun: Noun, context: CommandContext): Readonly<Record<string, string>> {
  const tenant = noun.ofTenant ? { tenantName: tenantOf(context) } : {};
  const words = noun.operands.map(({ field, name }) => {
    const word = context.sources.operands[name] ?? '';
    if (word !== '') return [field, word] as const;
    throw new FairleadError('USAGE', `${name} is empty`, { fix: 'give a name' });
  });
  return { ...noun.fixed, ...tenant, ...Object.fromEntries(words) };
}

function keyOf(noun: Noun, context: CommandContext): readonly string[] {
  const fields = keyFields(noun, context);
  return noun.kind.access === 'inspect'
    ? Object.values(fields)
    : noun.kind.key.map((field) => fields[field] ?? '');
}

function objectPath(noun: Noun, context: CommandContext): string {
  return `/api/v1/${noun.kind.plural}/${pathKey(keyOf(noun, context))}/`;
}

function pathKey(key: readonly string[]): string {
  return key.map(encodeURIComponent).join(':');
}

/** The fields that were given by flags, read as what they are. */
function givenFields(noun: Noun, { sources }: CommandContext): ShownObject {
  const rows = new Map(fieldOptions(noun).map((row) => [row.flag, row]));
  const given = settableFields(noun).flatMap(([field]) => {
    const flag = flagOf(field);
    const text = sources.flags[flag];
    const reading = text === undefined ? undefined : rows.get(flag)?.read(text);
    if (reading === undefined) return [];
    if ('value' in reading) return [[field, reading.value] as const];
    throw new FairleadError('USAGE', `--${flag} ${JSON.stringify(text)}`, {
      fix: `must be ${reading.mustBe}`,
    });
  });
  return Object.fromEntries(given);
}

/** One of several, or the one that there is. */
function oneOf({ operands, several }: Noun): string {
  return operands.length === 0 ? `the ${several}` : `one of the ${several}`;
}
