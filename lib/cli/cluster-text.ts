/** A cluster as a person reads it: one screen, the worst first. */
import type { ClusterStatus, MemberStatus, RecoveryReport } from '../store/replicated/cluster.ts';

/** Left-aligned columns, two spaces apart. */
export function columns(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, at) =>
    Math.max(...rows.map((row) => (row[at] ?? '').length)),
  );
  return rows
    .map((row) =>
      row
        .map((cell, at) => cell.padEnd(widths[at] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .map((line) => `${line}\n`)
    .join('');
}

/** `fairlead cluster status`. */
export function statusText(status: ClusterStatus): string {
  const { clusterId, epoch, term, revision, problems } = status;
  const leader = nameOf(status, status.leader) ?? 'none';
  const problemLines = problems.flatMap(({ code, message, fix }) => [
    `! ${code}: ${message}\n`,
    ...(fix === undefined ? [] : [`  fix: ${fix}\n`]),
  ]);
  const head = `cluster ${clusterId}  epoch ${epoch}  term ${term}  leader ${leader}  revision ${revision}\n`;
  return [
    ...problemLines,
    ...(problemLines.length > 0 ? ['\n'] : []),
    head,
    '\n',
    membersText(status),
  ].join('');
}

/** `fairlead cluster members`. */
export function membersText(status: ClusterStatus): string {
  const header = [
    'NAME',
    'ID',
    'ROLE',
    'STANDING',
    'LAG',
    'CONTACT',
    'DISK FREE',
    'VERSION',
    'CERTIFICATE',
    'ADDRESS',
  ];
  return columns([header, ...status.members.map(memberCells)]);
}

function memberCells(member: MemberStatus): readonly string[] {
  return [
    member.self ? `${member.name} *` : member.name,
    member.id,
    member.role,
    member.connected ? member.standing : 'unreachable',
    member.lagEntries === undefined ? '-' : String(member.lagEntries),
    member.self ? '-' : contactText(member.lastContactMs),
    member.diskFreeBytes === undefined ? '-' : bytesText(member.diskFreeBytes),
    member.version ?? '-',
    member.certificateEndsAtMs === undefined ? '-' : dayText(member.certificateEndsAtMs),
    member.addresses.join(',') || '-',
  ];
}

function nameOf(status: ClusterStatus, id: string | undefined): string | undefined {
  return status.members.find((member) => member.id === id)?.name ?? id;
}

function contactText(ms: number | undefined): string {
  if (ms === undefined) return 'never';
  if (ms < 1_000) return 'now';
  const seconds = Math.floor(ms / 1_000);
  if (seconds < 120) return `${seconds} s ago`;
  const minutes = Math.floor(seconds / 60);
  return minutes < 120 ? `${minutes} min ago` : `${Math.floor(minutes / 60)} h ago`;
}

/** Bytes in the unit that leaves one to four digits. */
export function bytesText(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  let value = bytes;
  let unit = 0;
  while (value >= 1_024 && unit < units.length - 1) {
    value /= 1_024;
    unit += 1;
  }
  return `${value < 10 && unit > 0 ? value.toFixed(1) : Math.floor(value)} ${units[unit]}`;
}

/** The day of a wall time, UTC. */
export function dayText(ms: number): string {
  return new Date(ms).toISOString().slice(0, 10);
}

/** `fairlead cluster recover`. */
export function recoveryText(report: RecoveryReport, dryRun: boolean): string {
  const { revision, lastEntry, uncommittedEntries, leftBehind, copy, epoch } = report;
  return [
    dryRun ? 'would recover' : 'recovered',
    ` to revision ${revision} (entry ${lastEntry.index} of term ${lastEntry.term}), epoch ${epoch}\n`,
    uncommittedEntries > 0
      ? `${uncommittedEntries} entries that were never confirmed by a majority are kept\n`
      : '',
    `lost: whatever the members left behind acknowledged after that entry\n`,
    `left behind: ${leftBehind.join(', ') || 'nobody'}; they join again with a new token\n`,
    copy === undefined ? '' : `the state as it was is kept in ${copy}\n`,
  ].join('');
}
