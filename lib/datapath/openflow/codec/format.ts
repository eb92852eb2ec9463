/**
 * Flows, groups and meters as `ovs-ofctl -O OpenFlow13 --no-names` prints them, for people: documents,
 * diagnoses and logs. What we do not know stands there as bytes, behind a `#`.
 */
import { formatActions, formatInstructions } from './format-actions.ts';
import { formatCookie, formatMatch } from './format-match.ts';
import { reservedPort, type Bucket, type Flow, type Group, type Meter } from './flow.ts';
import type { FlowCounters } from './messages.ts';

const defaultPriority = 0x8000;
const flagNames = [
  'send_flow_rem',
  'check_overlap',
  'reset_counts',
  'no_packet_counts',
  'no_byte_counts',
] as const;

/**
 * A flow as `dump-flows` prints it: with counters given, or as with `--no-stats`, which leaves out what is
 * zero.
 */
export function formatFlow(flow: Flow, counters?: FlowCounters): string {
  let text = '';
  if (counters !== undefined) {
    const { ageS, packets, bytes } = counters;
    text += `cookie=${formatCookie(flow.cookie)}, duration=${formatAge(ageS)}s, table=${flow.table}, `;
    text += `n_packets=${packets}, n_bytes=${bytes}, `;
  } else {
    if (flow.cookie !== 0n) text += `cookie=${formatCookie(flow.cookie)}, `;
    if (flow.table !== 0) text += `table=${flow.table}, `;
  }
  if ((flow.idleTimeoutS ?? 0) !== 0) text += `idle_timeout=${flow.idleTimeoutS}, `;
  if ((flow.hardTimeoutS ?? 0) !== 0) text += `hard_timeout=${flow.hardTimeoutS}, `;
  text += formatFlags(flow);
  const match = formatMatch(flow.match);
  const named = [
    ...(flow.priority === defaultPriority ? [] : [`priority=${flow.priority}`]),
    ...(match === '' ? [] : [match]),
  ].join(',');
  return `${text}${named === '' ? '' : `${named} `}actions=${formatInstructions(flow)}`;
}

function formatFlags(flow: Flow): string {
  const flags = (flow.otherFlags ?? 0) | (flow.sendRemoved === true ? 1 : 0);
  return flagNames
    .filter((_, bit) => ((flags >> bit) & 1) === 1)
    .map((name) => `${name} `)
    .join('');
}

/** Seconds with up to three places, as ovs-ofctl cuts them. */
function formatAge(ageS: number): string {
  const milliseconds = Math.floor(Math.round(ageS * 1e9) / 1e6);
  return (milliseconds / 1000).toFixed(3);
}

const groupTypes = {
  all: 'all',
  select: 'select',
  indirect: 'indirect',
  fastFailover: 'ff',
} as const;

/** A group as `dump-groups` prints it. */
export function formatGroup(group: Group): string {
  const buckets = group.buckets.map((bucket) => `,bucket=${formatBucket(bucket, group.type)}`);
  return `group_id=${group.id},type=${groupTypes[group.type]}${buckets.join('')}`;
}

function formatBucket(bucket: Bucket, type: Group['type']): string {
  const weight = bucket.weight ?? (type === 'select' ? 1 : 0);
  const parts = [
    ...(type === 'select' && weight !== 1 ? [`weight:${weight}`] : []),
    ...(bucket.watchPort === undefined || bucket.watchPort === reservedPort.any
      ? []
      : [`watch_port:${bucket.watchPort}`]),
    ...(bucket.watchGroup === undefined || bucket.watchGroup === reservedPort.any
      ? []
      : [`watch_group:${bucket.watchGroup}`]),
    `actions=${bucket.actions.length === 0 ? 'drop' : formatActions(bucket.actions)}`,
  ];
  return parts.join(',');
}

/** A meter as `dump-meters` prints it, several lines. */
export function formatMeter(meter: Meter): string {
  const flags = [
    meter.unit === 'kilobits' ? 'kbps' : 'pktps',
    ...(meter.burst ? ['burst'] : []),
    ...(meter.statistics ? ['stats'] : []),
  ];
  const bands = meter.bands.map((band) => {
    if (band.kind === 'opaque') return 'type=unknown';
    const burst = meter.burst ? ` burst_size=${band.burst}` : '';
    const level = band.kind === 'dscpRemark' ? ` prec_level=${band.precedenceLevel}` : '';
    const type = band.kind === 'dscpRemark' ? 'dscp_remark' : 'drop';
    return `type=${type} rate=${band.rate}${burst}${level}`;
  });
  return `meter=${meter.id} ${flags.join(' ')} bands=\n${bands.join('\n')}`;
}
