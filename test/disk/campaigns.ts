/** The campaigns of disk faults, by the names that `npm run disk` knows. */
import { errorCampaign, killCampaign, powerCampaign } from './crash.ts';
import { damageCampaign } from './damage.ts';
import { fullCampaign } from './full.ts';
import type { CampaignOptions, Tally } from './scene.ts';

/** Fault and campaign. */
export const campaigns = {
  kill: killCampaign,
  power: powerCampaign,
  'sync-error': (options) => errorCampaign({ ...options, call: 'SYNC' }),
  'write-error': (options) => errorCampaign({ ...options, call: 'WRITE' }),
  full: fullCampaign,
  damage: damageCampaign,
} as const satisfies Record<string, (options: CampaignOptions) => Promise<Tally>>;

/** The name of a fault. */
export type Fault = keyof typeof campaigns;
/** All of them. */
export const faults = Object.keys(campaigns) as readonly Fault[];
