/** Plays a transcript against an agent, and compares. */
import { execFile } from 'node:child_process';
import { readInvocation } from '../../lib/cli/netctl/core/invocation.ts';
import { httpOverSocket, type FreshAgent } from './fresh-agent.ts';
import {
  difference,
  outputLines,
  parseTranscript,
  prettyJson,
  type DifferenceLine,
  type Request,
  type Step,
} from './transcript.ts';

/** A step that did not answer as expected. */
export interface Mismatch {
  readonly step: Step;
  readonly lines: readonly DifferenceLine[];
}

export interface Played {
  readonly steps: number;
  readonly mismatches: readonly Mismatch[];
  /** What each step answered. */
  readonly answers: ReadonlyMap<Step, readonly string[]>;
}

/** Plays the steps one after another. */
export async function play(text: string, agent: FreshAgent): Promise<Played> {
  const steps = parseTranscript(text);
  const answers = new Map<Step, readonly string[]>();
  const mismatches: Mismatch[] = [];
  let etag = '';
  for (const step of steps) {
    const { does, expected } = step;
    let answer: readonly string[];
    if (does.kind === 'command') answer = await runCommand(does.text, agent);
    else {
      const sent = await send(does, expected, { agent, etag });
      answer = sent.lines;
      etag = sent.etag;
    }
    answers.set(step, answer);
    const lines = difference(expected.flatMap(withHelp), answer);
    if (lines !== undefined) mismatches.push({ step, lines });
  }
  return { steps: steps.length, mismatches, answers };
}

/** A line that stands for a whole help page: `[help: network create]`. */
function withHelp(line: string): readonly string[] {
  const words = /^ {2}\[help: ([a-z -]*)\]$/.exec(line)?.[1];
  if (words === undefined) return [line];
  const asked = [...words.split(' '), '--help'].filter((word) => word !== '');
  const { invocation } = readInvocation(asked, {}, '');
  if (invocation.kind !== 'text') throw new Error(`no help for ${words}`);
  return outputLines(invocation.text, '  ');
}

function runCommand(text: string, agent: FreshAgent): Promise<readonly string[]> {
  return new Promise((resolve, reject) => {
    const options = { cwd: agent.folder, env: agent.environment, timeout: 30_000 };
    const child = execFile('/bin/sh', ['-c', text], options, (failure, out, error) => {
      const exitCode = failure === null ? 0 : failure.code;
      if (typeof exitCode !== 'number') {
        reject(new Error(`${text} did not end by itself`, { cause: failure }));
        return;
      }
      resolve([
        ...outputLines(out, '  '),
        ...outputLines(withoutTime(error), '! '),
        ...(exitCode === 0 ? [] : [`= ${exitCode}`]),
      ]);
    });
    child.stdin?.end();
  });
}

function withoutTime(text: string): string {
  return text.replaceAll(/^time="[0-9T:+Z-]{20,25}"/gm, 'time="TIME"');
}

async function send(
  asked: Request,
  expected: readonly string[],
  { agent, etag }: { readonly agent: FreshAgent; readonly etag: string },
): Promise<{ readonly lines: readonly string[]; readonly etag: string }> {
  const given = asked.headers.map(([name, value]) => [name, value.replace('{etag}', etag)]);
  const { status, headers, body } = await httpOverSocket(agent.apiSocket, {
    method: asked.method,
    path: asked.path,
    headers: Object.fromEntries(given) as Record<string, string>,
    body: asked.body,
  });
  const shown = (name: string) => String(headers[name] ?? '(none)');
  const [type = ''] = shown('content-type').split(';');
  const wanted = expected.flatMap((line) => /^- ([^:]+):/.exec(line)?.[1] ?? []);
  return {
    lines: [
      `< ${status} ${type}`,
      ...wanted.map((name) => `- ${name}: ${shown(name)}`),
      ...bodyLines(body),
    ],
    etag: typeof headers['etag'] === 'string' ? headers['etag'] : '',
  };
}

/** JSON a field a line; Contiv's is one line, which an end follows. */
function bodyLines(body: string): readonly string[] {
  const pretty = /^[[{"]/.test(body) ? prettyJson(body) : undefined;
  if (pretty === undefined) return outputLines(body, '  ');
  return /^[^\n]*\n$/.test(body)
    ? pretty
    : [...pretty, '  (this JSON is not one line with its end)'];
}

/** Mismatches for people. */
export function mismatchText(file: string, { step, lines }: Mismatch): string {
  const { does, line } = step;
  const what = does.kind === 'command' ? `$ ${does.text}` : `> ${does.method} ${does.path}`;
  const shown = lines.map(([mark, text]) => `  ${mark} ${text}`).join('\n');
  return `${file}:${line}: ${what}\n${shown}\n`;
}
