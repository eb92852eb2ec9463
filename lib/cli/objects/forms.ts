/** Objects as a person or a program reads them. */
import { columns } from '../cluster-text.ts';
import type { Noun } from './nouns.ts';
import { flagOf } from './nouns.ts';
import { yamlText } from './yaml.ts';

/** The forms of an answer. */
export const objectForms = ['table', 'wide', 'json', 'yaml', 'name'] as const;
/** One of them. */
export type ObjectForm = (typeof objectForms)[number];

/** An object as the API shows it. */
export type ShownObject = Readonly<Record<string, unknown>>;

/** Several objects. The JSON is a contract: fields are only added. */
export function listText(noun: Noun, objects: readonly ShownObject[], form: ObjectForm): string {
  switch (form) {
    case 'json':
      return jsonText({ schemaVersion: 1, kind: noun.kind.name, items: objects });
    case 'yaml':
      return yamlText({ schemaVersion: 1, kind: noun.kind.name, items: objects });
    case 'name':
      return objects.map((object) => `${nameText(noun, object)}\n`).join('');
    case 'wide':
      return table(wideFields(noun).map(wideColumn), objects);
    case 'table':
      return table(noun.kind.columns, objects);
  }
}

/** One object with what was found out about it. */
export function inspectionText(noun: Noun, inspected: ShownObject, form: ObjectForm): string {
  const { Config: config = {}, Oper: oper } = inspected as {
    readonly Config?: ShownObject;
    readonly Oper?: ShownObject;
  };
  switch (form) {
    case 'json':
      return jsonText({ schemaVersion: 1, kind: noun.kind.name, ...inspected });
    case 'yaml':
      return yamlText({ schemaVersion: 1, kind: noun.kind.name, ...inspected });
    case 'name':
      return `${nameText(noun, config)}\n`;
    case 'wide':
    case 'table': {
      const known = Object.keys(noun.kind.fields).map((field) => [
        flagOf(field),
        cellText(config[field]),
      ]);
      const found = Object.entries(oper ?? {})
        .filter(([, value]) => form === 'wide' || typeof value !== 'object' || isTexts(value))
        .map(([name, value]) => [name, cellText(value)]);
      return columns([...known, ...found]);
    }
  }
}

function jsonText(value: unknown): string {
  return `${JSON.stringify(value, undefined, 2)}\n`;
}

/** `network/default:web`, as other commands take it. */
function nameText(noun: Noun, { key }: ShownObject): string {
  return `${noun.name}/${String(key)}`;
}

interface Column {
  readonly head: string;
  readonly field: string;
}

/** Of what nobody configures, what is found out. */
const wideFields = ({ kind }: Noun): readonly string[] =>
  Object.keys(kind.access === 'inspect' ? kind.oper : kind.fields);

function wideColumn(field: string): Column {
  return { head: flagOf(field).replaceAll('-', ' '), field };
}

function table(shown: readonly Column[], objects: readonly ShownObject[]): string {
  return columns([
    shown.map(({ head }) => head.toUpperCase()),
    ...objects.map((object) => shown.map(({ field }) => cellText(object[field]))),
  ]);
}

function cellText(value: unknown): string {
  if (value === undefined || value === '') return '-';
  if (typeof value === 'string') return value;
  if (isTexts(value)) return value.filter((each) => each !== '').join(',') || '-';
  return JSON.stringify(value);
}

function isTexts(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((each) => typeof each === 'string');
}
