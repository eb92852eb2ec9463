/** Commands with their output as a document prints them, in blocks marked `console`. */

/** One command. */
export interface DocCommand {
  /** Line of the document, from 1. */
  readonly line: number;
  /** Host at whose prompt it stands. */
  readonly host: string;
  readonly command: string;
  readonly exitCode: number;
  /** Output as printed; `…` stands for any text. */
  readonly output: readonly string[];
}

const prompt = /^(?<host>[a-z0-9-]+)# (?<command>.+)$/;
const expectation = /^(?<command>.*?)\s+# exit code (?<code>\d+)$/;

/** The commands of a document, in order. */
export function commandsOf(text: string): readonly DocCommand[] {
  const commands: (DocCommand & { readonly output: string[] })[] = [];
  let inside = false;
  for (const [at, line] of text.split('\n').entries()) {
    if (line.startsWith('```')) {
      inside = line === '```console';
      continue;
    }
    if (!inside) continue;
    const typed = prompt.exec(line)?.groups;
    if (typed === undefined) {
      commands.at(-1)?.output.push(line);
      continue;
    }
    const full = typed['command'] ?? '';
    const expected = expectation.exec(full)?.groups;
    commands.push({
      line: at + 1,
      host: typed['host'] ?? '',
      command: (expected?.['command'] ?? full).replace(/\s+# .*$/, ''),
      exitCode: Number(expected?.['code'] ?? 0),
      output: [],
    });
  }
  return commands;
}

/**
 * Whether a command printed what the document says. `…` within a line is any text, a line of `…` alone any
 * lines; runs of spaces are alike, since columns are as wide as they need to be.
 */
export function printsAs(printed: string, output: readonly string[]): boolean {
  const lines = printed.split('\n').map((line) => line.replaceAll(/\s+/g, ' ').trim());
  while (lines.at(-1) === '') lines.pop();
  return matches(lines, 0, output, 0);
}

function matches(
  lines: readonly string[],
  at: number,
  output: readonly string[],
  expected: number,
): boolean {
  const pattern = output[expected];
  if (pattern === undefined) return at === lines.length;
  if (pattern.trim() === '…') {
    for (let next = at; next <= lines.length; next += 1) {
      if (matches(lines, next, output, expected + 1)) return true;
    }
    return false;
  }
  const line = lines[at];
  return (
    line !== undefined && lineAs(pattern).test(line) && matches(lines, at + 1, output, expected + 1)
  );
}

function lineAs(pattern: string): RegExp {
  const parts = pattern
    .replaceAll(/\s+/g, ' ')
    .trim()
    .split('…')
    .map((part) => part.replaceAll(/[$()*+.?[\\\]^{|}]/g, String.raw`\$&`));
  return new RegExp(`^${parts.join('.*')}$`);
}
