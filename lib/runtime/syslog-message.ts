/**
 * A log line as a message of syslog (RFC 5424 section 6): header, no structured data, and the line itself as JSON, in
 * ASCII, so that it needs no byte order mark and can be read by whatever reads JSON.
 */
import { syslogMessageBytesMax, syslogTextCharactersMax } from '../limits.ts';

/** Who speaks. */
export interface SyslogOrigin {
  readonly node: string;
  readonly processId: number;
}

/** Facility "system daemons" (RFC 5424 table 1). */
const facility = 3;
/** Severities (RFC 5424 table 2) of our levels. */
const severities: Readonly<Record<string, number>> = {
  ...{ fatal: 2, error: 3, warn: 4, info: 6, debug: 7, trace: 7 },
};
const informational = 6;

/** The message of a line, which is one JSON object as `createLogs` makes it. */
export function syslogMessage(line: string, { node, processId }: SyslogOrigin): Buffer {
  const fields = JSON.parse(line) as Readonly<Record<string, unknown>>;
  const { ts, level, part, msg } = fields;
  const priority = facility * 8 + (severities[String(level)] ?? informational);
  const host = field(node, 255);
  const head = `<${priority}>1 ${field(ts, 32)} ${host} fairlead ${processId} ${field(part, 32)} - `;
  const whole = head + ascii(JSON.stringify(fields));
  if (whole.length <= syslogMessageBytesMax) return Buffer.from(whole, 'latin1');
  // what a server would cut off somewhere is left out by whole fields, so that the rest can be read
  const text = String(msg).slice(0, syslogTextCharactersMax);
  const short = { level, ts, node: host, part, msg: text, cut: true };
  return Buffer.from(head + ascii(JSON.stringify(short)), 'latin1');
}

/** A field of the header: printable ASCII, `-` for none (RFC 5424 section 6.2). */
function field(value: unknown, charactersMax: number): string {
  const text = typeof value === 'string' ? value : '';
  return text.replaceAll(/[^\x21-\x7e]/g, '?').slice(0, charactersMax) || '-';
}

function ascii(json: string): string {
  return json.replaceAll(
    /[^\x20-\x7e]/g,
    (one) => `\\u${one.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}
