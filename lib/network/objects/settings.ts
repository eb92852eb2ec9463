/** Changing the cluster's settings: what new networks are made with. Nothing that is there changes. Pure. */
import { FairleadError } from '../../errors.ts';
import { globalKind, type GlobalConfig } from '../../model/objects/global.ts';
import type { ObjectName } from '../../model/objects/object-keys.ts';
import { defaultConfig } from '../../model/objects/read-config.ts';
import { numberCursorKey, numberKey, numberSpan, type NumberKind } from '../../model/site-keys.ts';
import { asRead, type Plan, type Step, type TxnDraft } from '../../store/plan.ts';
import type { KeyRange } from '../../store/port.ts';
import type { NumberSpan } from '../numbers.ts';
import { sameValue } from '../same-value.ts';
import { newTags, readSettings, settingsKey } from '../settings.ts';
import {
  countRows,
  putObject,
  readAll,
  requireCondition,
  type Condition,
  type PutAnswer,
  type RemoveAnswer,
} from './object-rows.ts';
import { spansText } from './spans-text.ts';

/**
 * Sets the settings. Refuses with OBJECT_IN_USE when networks are there that keep them as they are, and
 * OBJECT_CHANGED.
 */
export function* planPutSettings(
  name: ObjectName,
  config: GlobalConfig,
  condition: Condition,
): Plan<PutAnswer> {
  const { config: before, modRevision } = yield* readSettings();
  // they are always there, at revision 0 until somebody sets them
  requireCondition(name, modRevision, condition);
  const draft: TxnDraft = { compare: [asRead(settingsKey, { modRevision })], then: [] };
  if (sameValue(config, before)) {
    return { txn: undefined, answer: { done: true, created: false } };
  }
  yield* requireChangeable(draft, before, config);
  putObject(draft, name, { config });
  return { txn: draft, answer: { done: true, created: false } };
}

/** Puts the settings back to what they are by themselves. Refuses as `planPutSettings`. */
export function* planRemoveSettings(name: ObjectName, condition: Condition): Plan<RemoveAnswer> {
  const { config: before, modRevision } = yield* readSettings();
  requireCondition(name, modRevision, condition);
  const draft: TxnDraft = { compare: [asRead(settingsKey, { modRevision })], then: [] };
  if (modRevision === 0) return { txn: undefined, answer: { done: true } };
  yield* requireChangeable(draft, before, defaultConfig(globalKind) as GlobalConfig);
  draft.then.push({ op: 'delete', start: settingsKey });
  return { txn: draft, answer: { done: true } };
}

function* requireChangeable(
  draft: TxnDraft,
  before: GlobalConfig,
  config: GlobalConfig,
): Step<void> {
  // every network that comes moves it on
  const cursor = numberCursorKey('network');
  const [row] = (yield { start: cursor }).rows;
  draft.compare.push(asRead(cursor, row));
  if (config.fwdMode !== before.fwdMode) yield* requireNoNetworks('forwarding mode');
  if (config.pvtSubnet !== before.pvtSubnet) yield* requireNoNetworks('private subnet');
  for (const kind of ['vlan', 'vni'] as const) {
    yield* requireTagsKept(kind, newTags(before, kind), newTags(config, kind));
  }
}

/** All tags of a kind that networks have, without the native VLAN. */
export const tagRange = (kind: NumberKind, { first, last }: NumberSpan): Required<KeyRange> => ({
  start: numberKey(kind, first),
  end: `${numberKey(kind, last)}!`,
});

function* requireNoNetworks(what: string): Step<void> {
  const vlans = yield* countRows(tagRange('vlan', numberSpan.vlan));
  const vnis = yield* countRows(tagRange('vni', numberSpan.vni));
  if (vlans + vnis === 0) return;
  throw inUse(`Unable to update ${what} due to existing ${vlans} vlans and ${vnis} vxlans`);
}

/** A range may grow, and lose what nobody has. */
function* requireTagsKept(kind: 'vlan' | 'vni', before: NumberSpan, now: NumberSpan): Step<void> {
  const lost = [
    { first: before.first, last: Math.min(now.first - 1, before.last) },
    { first: Math.max(now.last + 1, before.first), last: before.last },
  ].filter(({ first, last }) => first <= last);
  const used: number[] = [];
  for (const span of lost) used.push(...(yield* tagsIn(kind, span)));
  if (used.length === 0) return;
  const word = kind === 'vlan' ? 'vlan' : 'vxlan';
  throw inUse(
    `cannot update the ${word} range due to existing ${word}s ${spansText(used.map(BigInt), String)}`,
  );
}

/** The tags that networks have, in order. */
export function* tagsIn(kind: NumberKind, span: NumberSpan): Step<readonly number[]> {
  const rows = yield* readAll(tagRange(kind, span));
  return rows.map(({ key }) => Number(key.slice(key.lastIndexOf('/') + 1)));
}

const inUse = (message: string): FairleadError => new FairleadError('OBJECT_IN_USE', message);
