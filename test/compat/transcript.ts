/**
 * Transcripts: what is typed or sent, and what comes back, in one text that people read. See README.md.
 *
 *     # a comment
 *     $ netctl tenant create blue          a command, run by a shell
 *       Creating tenant: blue              standard output, two spaces before each line
 *     ! time="TIME" level=error msg="…"    standard error; … stands for any text within a line
 *     = 3                                  the exit code, if it is not 0
 *
 *     > POST /api/v1/tenants/blue/         a request to the API
 *     - if-match: {etag}                   its headers; {etag} is that of the answer before
 *       {"tenantName":"blue"}              its body
 *     < 200 application/json               status and type of the answer
 *     - etag: …                            headers of it that matter
 *       {"key":"blue"}                     its body; JSON is compared field by field
 */

/** One command or request with what is expected of it. */
export interface Step {
  /** Where it begins in the file, from 1. */
  readonly line: number;
  readonly does: Command | Request;
  /** Lines of the answer, as in the file. */
  readonly expected: readonly string[];
}
export interface Command {
  readonly kind: 'command';
  readonly text: string;
}
export interface Request {
  readonly kind: 'request';
  readonly method: string;
  readonly path: string;
  readonly headers: readonly (readonly [string, string])[];
  /** As it is sent; undefined when there is none. */
  readonly body: string | undefined;
}

/** Marks the end of a line that ends with a space. */
export const spaceMark = '⏎';
/** Marks an output that ends without the end of a line. */
export const noEndMark = '⊘';

/** Reads a transcript. @throws Error that names the line */
export function parseTranscript(text: string): readonly Step[] {
  const lines = text.split('\n');
  const begins = (line: string) => line.startsWith('$ ') || line.startsWith('> ');
  const steps: Step[] = [];
  for (let at = 0; at < lines.length;) {
    const line = lines[at] ?? '';
    if (line === '' || line.startsWith('#')) {
      at += 1;
      continue;
    }
    if (!begins(line)) throw new Error(`line ${at + 1}: ${line}: neither command nor request`);
    let to = at + 1;
    while (to < lines.length && /^(?: {2}|[!=<-] )/.test(lines[to] ?? '')) to += 1;
    steps.push(stepOf(lines.slice(at, to), at + 1));
    at = to;
  }
  return steps;
}

function stepOf([first = '', ...rest]: readonly string[], line: number): Step {
  if (first.startsWith('$ ')) {
    return { line, does: { kind: 'command', text: first.slice(2) }, expected: rest };
  }
  const answer = rest.findIndex((each) => each.startsWith('< '));
  const [method = '', path = ''] = first.slice(2).split(' ');
  const sent = answer < 0 ? rest : rest.slice(0, answer);
  const body = sent.filter((each) => each.startsWith('  ')).map((each) => each.slice(2));
  const headers = sent
    .filter((each) => each.startsWith('- '))
    .map((each) => /^- ([^:]+): (.*)$/.exec(each)?.slice(1) ?? [])
    .map(([name = '', value = '']) => [name, value] as const);
  return {
    line,
    does: {
      kind: 'request',
      method,
      path,
      headers,
      body: body.length === 0 ? undefined : body.join('\n'),
    },
    expected: answer < 0 ? [] : prettyBody(rest.slice(answer)),
  };
}

/** The answer with its JSON a field a line, so that a difference is found where it is. */
function prettyBody(answer: readonly string[]): readonly string[] {
  const body = answer.filter((each) => each.startsWith('  ')).map((each) => each.slice(2));
  const pretty = prettyJson(body.join('\n'));
  const head = answer.filter((each) => !each.startsWith('  '));
  return pretty === undefined ? answer : [...head, ...pretty];
}

/** A JSON text as lines of a body; undefined for other texts. */
export function prettyJson(text: string): readonly string[] | undefined {
  try {
    return JSON.stringify(inOrder(JSON.parse(text)), undefined, 2)
      .split('\n')
      .map((line) => `  ${line}`);
  } catch {
    return undefined;
  }
}

/** The order of fields is no promise of JSON. */
function inOrder(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(inOrder);
  if (typeof value !== 'object' || value === null) return value;
  const fields = Object.entries(value).toSorted(([one], [other]) => (one < other ? -1 : 1));
  return Object.fromEntries(fields.map(([name, field]) => [name, inOrder(field)]));
}

/** An output as lines of a transcript. */
export function outputLines(text: string, prefix: '  ' | '! '): readonly string[] {
  if (text === '') return [];
  const lines = text.split('\n');
  const last = lines.pop();
  const marked = lines.map((line) => (line.endsWith(' ') ? `${line}${spaceMark}` : line));
  if (last !== '') marked.push(`${last}${noEndMark}`);
  return marked.map((line) => `${prefix}${line}`);
}

/** Whether a line is as expected, in which `…` stands for any text. */
export function lineFits(expected: string, actual: string): boolean {
  if (!expected.includes('…')) return expected === actual;
  const pieces = expected.split('…').map((piece) => RegExp.escape(piece));
  return new RegExp(`^${pieces.join('.*')}$`, 'u').test(actual);
}

/** A line of a difference: on both sides, only expected, only there. */
export type DifferenceLine = readonly [' ' | '-' | '+', string];

/** How lines differ from those expected; undefined when they fit. */
export function difference(
  expected: readonly string[],
  actual: readonly string[],
): readonly DifferenceLine[] | undefined {
  const same =
    expected.length === actual.length &&
    expected.every((line, at) => lineFits(line, actual[at] ?? ''));
  if (same) return undefined;
  // the longest common part, from the end: transcripts are short
  const lengths = Array.from({ length: expected.length + 1 }, () =>
    Array.from({ length: actual.length + 1 }, () => 0),
  );
  const lengthAt = (i: number, j: number) => lengths[i]?.[j] ?? 0;
  for (let i = expected.length - 1; i >= 0; i -= 1) {
    for (let j = actual.length - 1; j >= 0; j -= 1) {
      const row = lengths[i];
      if (row === undefined) continue;
      row[j] = lineFits(expected[i] ?? '', actual[j] ?? '')
        ? lengthAt(i + 1, j + 1) + 1
        : Math.max(lengthAt(i + 1, j), lengthAt(i, j + 1));
    }
  }
  const lines: DifferenceLine[] = [];
  let [i, j] = [0, 0];
  while (i < expected.length || j < actual.length) {
    const [wanted, got] = [expected[i], actual[j]];
    if (wanted !== undefined && got !== undefined && lineFits(wanted, got)) {
      lines.push([' ', got]);
      i += 1;
      j += 1;
    } else if (
      j >= actual.length ||
      (wanted !== undefined && lengthAt(i + 1, j) >= lengthAt(i, j + 1))
    ) {
      lines.push(['-', wanted ?? '']);
      i += 1;
    } else {
      lines.push(['+', got ?? '']);
      j += 1;
    }
  }
  return lines;
}

/** The file with what came back in the place of what was expected, where that does not fit. */
export function updatedTranscript(
  text: string,
  answers: ReadonlyMap<Step, readonly string[]>,
): string {
  const lines = text.split('\n');
  const steps = [...answers].toSorted(([one], [other]) => other.line - one.line);
  for (const [step, actual] of steps) {
    if (difference(step.expected, actual) === undefined) continue;
    let from = step.line;
    while (step.does.kind === 'request' && /^(?: {2}|- )/.test(lines[from] ?? '')) from += 1;
    let to = from;
    while (/^(?: {2}|[!=<-] )/.test(lines[to] ?? '')) to += 1;
    lines.splice(from, to - from, ...actual);
  }
  return lines.join('\n');
}
