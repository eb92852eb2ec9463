/** Texts as Go writes and reads them: %q, slices, numbers, truth, indented JSON. */

/**
 * A whole number as Go's ParseInt takes it with base 0 (10, -3, 0x1f, 0b11, 0o17, 017, 1_000), or what is wrong
 * with it.
 */
export function readInteger(text: string): number | 'parse error' | 'value out of range' {
  const [, sign = '', digits = ''] =
    /^([+-]?)(0[xX](?:_?[0-9a-fA-F])+|0[bB](?:_?[01])+|0[oO]?(?:_?[0-7])+|0|[1-9](?:_?[0-9])*)$/.exec(
      text,
    ) ?? [];
  if (digits === '') return 'parse error';
  const plain = digits.replaceAll('_', '').replace(/^0[oO]?(?=[0-7])/, '0o');
  const value = sign === '-' ? -BigInt(plain) : BigInt(plain);
  return BigInt.asIntN(64, value) === value ? Number(value) : 'value out of range';
}

/** A truth value as Go's ParseBool takes it. */
export function readTruth(text: string): boolean | undefined {
  if (/^(?:1|t|T|true|TRUE|True)$/.test(text)) return true;
  if (/^(?:0|f|F|false|FALSE|False)$/.test(text)) return false;
  return undefined;
}

/** A list as Go prints it: `[a=b c=d]`. */
export function sliceText(items: readonly string[]): string {
  return `[${items.join(' ')}]`;
}

const shortEscapes: Readonly<Record<string, string>> = {
  '\u0007': String.raw`\a`,
  '\b': String.raw`\b`,
  '\f': String.raw`\f`,
  '\n': String.raw`\n`,
  '\r': String.raw`\r`,
  '\t': String.raw`\t`,
  '\v': String.raw`\v`,
  '"': String.raw`\"`,
  '\\': String.raw`\\`,
};

/** Quoted as by %q: what cannot be printed is escaped, everything else stays as it is. */
export function quoted(text: string): string {
  const inner = Array.from(text, (character) => shortEscapes[character] ?? escaped(character));
  return `"${inner.join('')}"`;
}

function escaped(character: string): string {
  const code = character.codePointAt(0) ?? 0;
  // Go prints letters, marks, numbers, punctuation, symbols, and of the spaces only the plain one
  if (character === ' ' || /^[\p{L}\p{M}\p{N}\p{P}\p{S}]$/u.test(character)) return character;
  if (code < 0x80) return String.raw`\x${hexDigits(code, 2)}`;
  return code < 0x1_0000
    ? String.raw`\u${hexDigits(code, 4)}`
    : String.raw`\U${hexDigits(code, 8)}`;
}

function hexDigits(code: number, digits: number): string {
  return code.toString(16).padStart(digits, '0');
}

/** JSON as MarshalIndent writes it with two spaces: what could end a script is escaped. */
export function indentedJson(value: unknown): string {
  return JSON.stringify(value, undefined, 2).replaceAll(
    /\\\\|\\[bf]|[<>&\u2028\u2029]/g,
    (found) => jsonEscapes[found] ?? found,
  );
}

const jsonEscapes: Readonly<Record<string, string>> = {
  '<': String.raw`\u003c`,
  '>': String.raw`\u003e`,
  '&': String.raw`\u0026`,
  '\u2028': String.raw`\u2028`,
  '\u2029': String.raw`\u2029`,
  [String.raw`\b`]: String.raw`\u0008`,
  [String.raw`\f`]: String.raw`\u000c`,
};
