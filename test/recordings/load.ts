/** The recordings as typed arrays; `README.md` says what they are. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';

const commandSchema = z.strictObject({ kind: z.literal('command'), text: z.string() });
const callSchema = z.strictObject({
  kind: z.literal('call'),
  no: z.int(),
  plugin: z.string(),
  call: z.string(),
  host: z.string(),
  body: z.record(z.string(), z.unknown()).optional(),
});
const answerSchema = z.strictObject({
  kind: z.literal('answer'),
  no: z.int(),
  status: z.int(),
  body: z.unknown(),
});
const eventSchema = z.discriminatedUnion('kind', [commandSchema, callSchema, answerSchema]);

/** A line of a recording. */
export type RecordedEvent = z.output<typeof eventSchema>;

/** A call with what came of it. */
export interface RecordedCall {
  readonly no: number;
  readonly plugin: string;
  /** Such as `NetworkDriver.Join`. */
  readonly call: string;
  /** Host header; engine 20.10 leaves it empty. */
  readonly host: string;
  /** Undefined when the content was empty. */
  readonly body: Readonly<Record<string, unknown>> | undefined;
  /** What the recording plugin answered, if it did. */
  readonly answer: { readonly status: number; readonly body: unknown } | undefined;
  /** The docker command started last before it. */
  readonly command: string | undefined;
}

/** One file. */
export interface Scenario {
  /** Version of the engine. */
  readonly engine: string;
  readonly name: string;
  /** In the order they happened. */
  readonly events: readonly RecordedEvent[];
  /** In the order they were made. */
  readonly calls: readonly RecordedCall[];
}

/** All scenarios, by engine and name. */
export function loadScenarios(): readonly Scenario[] {
  const folder = import.meta.dirname;
  const files = readdirSync(folder).filter((file) => file.endsWith('.jsonl'));
  return files.toSorted().map((file) => {
    const match = /^([0-9.]+)-(.+)\.jsonl$/.exec(file);
    if (match === null) throw new Error(`${file} is not named ENGINE-SCENARIO.jsonl`);
    const [, engine = '', name = ''] = match;
    const lines = readFileSync(join(folder, file), 'utf8').trimEnd().split('\n');
    const events = lines.map((line) => eventSchema.parse(JSON.parse(line)));
    return { engine, name, events, calls: callsOf(events) };
  });
}

function callsOf(events: readonly RecordedEvent[]): RecordedCall[] {
  const answers = new Map<number, { status: number; body: unknown }>();
  for (const event of events) {
    if (event.kind === 'answer') answers.set(event.no, { status: event.status, body: event.body });
  }
  const calls: RecordedCall[] = [];
  let command: string | undefined;
  for (const event of events) {
    if (event.kind === 'command') command = event.text;
    if (event.kind !== 'call') continue;
    const { no, plugin, call, host, body } = event;
    calls.push({ no, plugin, call, host, body, answer: answers.get(no), command });
  }
  return calls;
}
