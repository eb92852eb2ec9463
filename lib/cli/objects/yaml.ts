/** JSON values as YAML 1.2, in the plainest form: a field a line, texts in quotes where they could be misread. */

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
