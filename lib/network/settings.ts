/** The cluster's settings, and what new networks take from them. Networks that are there keep what they have. */
import { globalKind, type GlobalConfig } from '../model/objects/global.ts';
import { spanOfText } from '../model/objects/formats.ts';
import type { Config } from '../model/objects/kind.ts';
import { objectKey } from '../model/objects/object-keys.ts';
import { defaultConfig } from '../model/objects/read-config.ts';
import { objectRowSchema, withZeros } from '../model/objects/rows.ts';
import { decodeRecord } from '../model/record.ts';
import type { SiteNetwork } from '../model/site.ts';
import { asRead, type Step, type TxnDraft } from '../store/plan.ts';
import type { NumberSpan } from './numbers.ts';

/** The settings, and the revision of their row, 0 when nobody set anything. */
export interface StoredSettings {
  readonly config: GlobalConfig;
  readonly modRevision: number;
}

/** Key of the settings' row. */
export const settingsKey = objectKey({ kind: 'global', parts: ['global'] });

const defaults = defaultConfig(globalKind);

/** The settings, with defaults for what nobody set. */
export function* readSettings(): Step<StoredSettings> {
  const [row] = (yield { start: settingsKey }).rows;
  const stored = row && decodeRecord(objectRowSchema(globalKind), row);
  const config: Config = { ...defaults, ...stored?.value.config };
  return {
    config: withZeros(globalKind, config) as GlobalConfig,
    modRevision: stored?.modRevision ?? 0,
  };
}

/** The settings, for a decision that must be made again when they change. */
export function* useSettings(draft: TxnDraft): Step<GlobalConfig> {
  const { config, modRevision } = yield* readSettings();
  draft.compare.push(asRead(settingsKey, { modRevision }));
  return config;
}

/** How a new network forwards. On VLANs the gateway mostly is a router on the wire. */
export function newMode(settings: GlobalConfig, encap: 'vxlan' | 'vlan'): SiteNetwork['mode'] {
  if (settings.fwdMode === 'bridge' || settings.fwdMode === 'routing') return settings.fwdMode;
  return encap === 'vlan' ? 'bridge' : 'routing';
}

/** Who answers ARP in a new network: where gateways are ours, flows do. */
export function newArp(settings: GlobalConfig, mode: SiteNetwork['mode']): SiteNetwork['arp'] {
  return mode === 'bridge' && settings.arpMode === 'flood' ? 'flood' : 'proxy';
}

/** The tags that new networks are given. */
export function newTags(settings: GlobalConfig, kind: 'vni' | 'vlan'): NumberSpan {
  const span = spanOfText(kind === 'vlan' ? settings.vlans : settings.vxlans);
  return { first: Number(span?.first), last: Number(span?.last) };
}
