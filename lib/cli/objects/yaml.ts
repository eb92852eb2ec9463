/**
 * YAML 1.2: JSON values in the plainest form (a field a line, texts in quotes where they could be misread), and the
 * documents of a file as JSON values. JSON is YAML, too.
 */
import { isAlias, parseAllDocuments, visit } from 'yaml';
import { FairleadError } from '../../errors.ts';

/**
 * The documents of a text, without those in which nothing is. Aliases, tags and fields given twice are refused: what
 * is applied should be what is read.
 * @throws USAGE with the line that is wrong
 */
export function yamlDocuments(text: string, place: string): readonly unknown[] {
  const documents = parseAllDocuments(text, {
    version: '1.2',
    schema: 'core',
    uniqueKeys: true,
    resolveKnownTags: false,
  });
  return [...documents].flatMap((document) => {
    const [problem] = [...document.errors, ...document.warnings];
    if (problem !== undefined) throw wrong(place, problem.message);
    visit(document, (_, node) => {
      if (isAlias(node)) throw wrong(place, 'aliases are not taken, write it out');
    });
    const value: unknown = document.toJS({ maxAliasCount: 0 });
    return value === null ? [] : [value];
  });
}

function wrong(place: string, message: string): FairleadError {
  const [line = ''] = message.split('\n');
  return new FairleadError('USAGE', `${place}: ${line.slice(0, 300)}`, { fix: 'correct the file' });
}

/** A value as lines of YAML, with an end. */
export function yamlText(value: unknown): string {
  return `${lines(value).join('\n')}\n`;
}

function lines(value: unknown): readonly string[] {
  if (Array.isArray(value)) {
    if (value.length === 0) return ['[]'];
    return value.flatMap((item) => {
      const [first = '', ...rest] = lines(item);
      return [`- ${first}`, ...rest.map(indented)];
    });
  }
  if (typeof value === 'object' && value !== null) {
    const fields = Object.entries(value).filter(([, field]) => field !== undefined);
    if (fields.length === 0) return ['{}'];
    return fields.flatMap(([name, field]) => {
      const inner = lines(field);
      const nested =
        typeof field === 'object' && field !== null && !/^[[{][\]}]$/.test(inner[0] ?? '');
      return nested
        ? [`${scalar(name)}:`, ...inner.map(indented)]
        : [`${scalar(name)}: ${inner[0] ?? ''}`];
    });
  }
  return [typeof value === 'string' ? scalar(value) : JSON.stringify(value ?? null)];
}

const indented = (line: string): string => `  ${line}`;

/** What JSON leaves as it is and YAML does not take. */
const unprintable = /[\u007f-\u009f\u2028\u2029\ufeff]/g;

function escaped(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
}

/** A text as it is where nothing could take it for something else; JSON's quotes are YAML's, too. */
function scalar(text: string): string {
  const plain = /^[A-Za-z][A-Za-z0-9_./-]*$/.test(text);
  const isWord = /^(?:true|false|null|yes|no|on|off|y|n)$/i.test(text);
  return plain && !isWord ? text : JSON.stringify(text).replaceAll(unprintable, escaped);
}
