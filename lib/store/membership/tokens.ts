/** Join tokens and the authority, as rows. The secrets themselves never come here. */
import { FairleadError } from '../../errors.ts';
import { clusterTokensMax } from '../../limits.ts';
import { decodeRecord, encodeRecord } from '../../model/record.ts';
import { asRead, type Plan } from '../plan.ts';
import type { Operation } from '../port.ts';
import { readRow } from './read.ts';
import {
  alarmKey,
  authorityKey,
  authoritySchema,
  tokenKey,
  tokenRange,
  tokenSchema,
  type Authority,
  type Token,
} from './rows.ts';

/**
 * Makes a token known; tokens that are used up or expired go at the same time. Refuses with
 * CLUSTER_CHANGE when there are too many.
 */
export function* planToken(token: Token, nowMs: number): Plan<void> {
  const rows = (yield tokenRange).rows;
  const spent = rows.filter((row) => {
    const { usesLeft, expiresAtMs } = decodeRecord(tokenSchema, row).value;
    return usesLeft === 0 || expiresAtMs <= nowMs;
  });
  if (rows.length - spent.length >= clusterTokensMax) {
    throw new FairleadError('CLUSTER_CHANGE', `${clusterTokensMax} tokens are open already`, {
      fix: 'wait until they expire, or use them',
    });
  }
  const put: Operation = { op: 'put', key: tokenKey(token.hash), value: encodeRecord(token) };
  return {
    txn: {
      compare: [asRead(tokenKey(token.hash), undefined)],
      then: [
        put,
        ...spent
          .slice(0, clusterTokensMax)
          .map((row): Operation => ({ op: 'delete', start: row.key })),
      ],
    },
    answer: undefined,
  };
}

/** Makes the authority that of the cluster, if it has none yet; answers the one it has. */
export function* planAuthority(fresh: Authority): Plan<Authority> {
  const existing = yield* readRow(authorityKey, authoritySchema);
  if (existing !== undefined) return { txn: undefined, answer: existing.value };
  return {
    txn: {
      compare: [asRead(authorityKey, undefined)],
      then: [{ op: 'put', key: authorityKey, value: encodeRecord(fresh) }],
    },
    answer: fresh,
  };
}

/** Puts another authority in place of the one as seen. Refuses with CLUSTER_CHANGE when it changed. */
export function* planReplaceAuthority(seen: Authority, fresh: Authority): Plan<void> {
  const existing = yield* readRow(authorityKey, authoritySchema);
  if (existing === undefined || encodeRecord(existing.value) !== encodeRecord(seen)) {
    throw new FairleadError('CLUSTER_CHANGE', 'the authority was changed by another command');
  }
  return {
    txn: {
      compare: [asRead(authorityKey, existing)],
      then: [{ op: 'put', key: authorityKey, value: encodeRecord(fresh) }],
    },
    answer: undefined,
  };
}

/** Says that the disk of a member is nearly full, or no longer: while one is, users may only delete. */
export function* planAlarm(id: string, raised: boolean): Plan<void> {
  const key = alarmKey(id);
  const [row] = (yield { start: key }).rows;
  if ((row !== undefined) === raised) return { txn: undefined, answer: undefined };
  const change: Operation = raised
    ? { op: 'put', key, value: encodeRecord({ raised: true }) }
    : { op: 'delete', start: key };
  return { txn: { compare: [asRead(key, row)], then: [change] }, answer: undefined };
}
