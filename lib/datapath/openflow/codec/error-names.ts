/**
 * Names of what a switch refuses (OpenFlow 1.3.5 section 7.4.4), for people and for logs.
 */
import type { SwitchError } from './messages.ts';

const names: ReadonlyMap<number, readonly [string, readonly string[]]> = new Map([
  [0, ['hello failed', ['incompatible', 'permission denied']]],
  [
    1,
    [
      'bad request',
      [
        'version',
        'type',
        'multipart type',
        'experimenter',
        'experimenter type',
        'permission denied',
        'length',
        'buffer empty',
        'buffer unknown',
        'table',
        'role is slave',
        'port',
        'packet',
        'multipart buffer overflow',
      ],
    ],
  ],
  [
    2,
    [
      'bad action',
      [
        'type',
        'length',
        'experimenter',
        'experimenter type',
        'port',
        'argument',
        'permission denied',
        'too many',
        'queue',
        'group',
        'contradicts the match',
        'order not supported',
        'tag not supported',
        'field type',
        'field length',
        'field argument',
      ],
    ],
  ],
  [
    3,
    [
      'bad instruction',
      [
        'unknown',
        'not supported',
        'table',
        'metadata not supported',
        'metadata mask not supported',
        'experimenter',
        'experimenter type',
        'length',
        'permission denied',
      ],
    ],
  ],
  [
    4,
    [
      'bad match',
      [
        'type',
        'length',
        'tag not supported',
        'link address mask',
        'network address mask',
        'wildcards',
        'field',
        'value',
        'mask',
        'prerequisite missing',
        'field twice',
        'permission denied',
      ],
    ],
  ],
  [
    5,
    [
      'flow refused',
      [
        'unknown',
        'table full',
        'table',
        'overlaps another',
        'permission denied',
        'timeout',
        'command',
        'flags',
      ],
    ],
  ],
  [
    6,
    [
      'group refused',
      [
        'exists',
        'invalid',
        'weight not supported',
        'too many groups',
        'too many buckets',
        'chaining not supported',
        'watch not supported',
        'loop',
        'unknown',
        'still used by another',
        'type',
        'command',
        'bucket',
        'watched port or group',
        'permission denied',
      ],
    ],
  ],
  [
    12,
    [
      'meter refused',
      [
        'unknown',
        'exists',
        'invalid',
        'unknown',
        'command',
        'flags',
        'rate',
        'burst',
        'band',
        'band value',
        'too many meters',
        'too many bands',
      ],
    ],
  ],
]);

/** The words for an error: what was refused, and why; numbers where we have no words. */
export function errorName(error: Pick<SwitchError, 'type' | 'code' | 'experimenter'>): string {
  if (error.experimenter !== undefined) {
    return `error ${error.code} of experimenter ${error.experimenter.toString(16)}`;
  }
  const [what, codes] = names.get(error.type) ?? [`error of type ${error.type}`, []];
  return `${what}: ${codes[error.code] ?? `code ${error.code}`}`;
}
