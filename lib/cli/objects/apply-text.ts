/** What came of documents, as a person reads it. */
import { isErrorCode, type ErrorCode } from '../../errors.ts';
import { describedKind } from '../../model/objects/kinds.ts';
import type { KindName } from '../../model/objects/kind.ts';
import { partName } from '../../model/objects/document.ts';
import { nouns } from './nouns.ts';
import { yamlText } from './yaml.ts';

/** A line of the API's answer. */
export interface ApplyLine {
  readonly kind?: KindName;
  readonly metadata?: Readonly<Record<string, string>>;
  readonly outcome?: string;
  readonly before?: Readonly<Record<string, unknown>>;
  readonly after?: Readonly<Record<string, unknown>>;
  readonly error?: { readonly code: string; readonly message: string; readonly fix?: string };
  /** Of the last line. */
  readonly complete?: boolean;
}

/** `network/default:web created`. */
export function outcomeText(line: ApplyLine, isTried: boolean): string {
  const { outcome = '', error } = line;
  const how = isTried && outcome !== 'refused' ? ' (dry run)' : '';
  const why = error === undefined ? '' : `: ${error.message} (${error.code})`;
  return `${titleOf(line)} ${outcome}${how}${why}\n`;
}

/** The fields in which an object differs from its document; nothing for one that does not. */
export function differenceText(line: ApplyLine): string {
  const { outcome, before = {}, after = {} } = line;
  if (outcome === 'unchanged' || outcome === 'absent') return '';
  if (outcome === 'refused' || outcome === 'untried') return outcomeText(line, true);
  const fields = [...new Set([...Object.keys(before), ...Object.keys(after)])].toSorted();
  const lines = fields.flatMap((field) => {
    const [one, other] = [fieldText(field, before), fieldText(field, after)];
    return one === other ? [] : [...marked('-', one), ...marked('+', other)];
  });
  return `${titleOf(line)} ${outcome}\n${lines.join('')}`;
}

/** The code of a refusal. */
export function codeOf({ error }: ApplyLine): ErrorCode | undefined {
  return error !== undefined && isErrorCode(error.code) ? error.code : undefined;
}

function titleOf({ kind = 'network', metadata = {} }: ApplyLine): string {
  const described = describedKind(kind);
  const noun = nouns.find(({ kind: { name } }) => name === kind)?.name ?? kind;
  return `${noun}/${described.key.map((field) => metadata[partName(described, field)]).join(':')}`;
}

function fieldText(field: string, spec: Readonly<Record<string, unknown>>): string {
  return field in spec ? yamlText({ [field]: spec[field] }) : '';
}

function marked(sign: string, text: string): readonly string[] {
  const lines = text === '' ? [] : text.trimEnd().split('\n');
  return lines.map((line) => `${sign} ${line}\n`);
}
