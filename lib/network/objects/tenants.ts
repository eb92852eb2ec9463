/** Tenants by an operator's hand: made by name, and removed when nothing is in them. Pure. */
import { FairleadError } from '../../errors.ts';
import type { KindName } from '../../model/objects/kind.ts';
import type { TenantConfig } from '../../model/objects/tenant.ts';
import { objectRange, type ObjectName } from '../../model/objects/object-keys.ts';
import {
  saidSettings,
  settingsOf,
  type PolicySettings,
} from '../../model/objects/policy-settings.ts';
import { decodeRecord, type Stored } from '../../model/record.ts';
import { numberKey, tenantKey, tenantSubnetRange } from '../../model/site-keys.ts';
import {
  defaultTenant,
  settingsSchema,
  siteNetworkSchema,
  tenantSchema,
  type SiteNetworkName,
  type Tenant,
} from '../../model/site.ts';
import { asRead, type Decision, type Plan, type Step, type TxnDraft } from '../../store/plan.ts';
import { takeNumber } from '../numbers.ts';
import { sameValue } from '../same-value.ts';
import { leavingNetwork } from '../site-networks.ts';
import { putTenant } from '../tenants.ts';
import { closeObjectGuard, readObjectGuard, removeObjectGuard, thereAs } from './guards.ts';
import {
  countRows,
  readAll,
  requireCondition,
  revisionOf,
  unknownObject,
  type Condition,
  type PutAnswer,
  type RemoveAnswer,
} from './object-rows.ts';

/** Makes a tenant, or changes the one there is. Refuses with SITE_LIMIT and OBJECT_CHANGED. */
export function* planPutTenant(
  name: ObjectName,
  config: TenantConfig,
  condition: Condition,
  attempt: number,
): Plan<PutAnswer> {
  const [row] = (yield { start: tenantKey(config.tenantName) }).rows;
  requireCondition(name, row && revisionOf('tenant', row), condition);
  if (row !== undefined) return changedTenant(decodeRecord(tenantSchema, row), config);
  const draft: TxnDraft = { compare: [], then: [] };
  const { tenantName } = config;
  const number = yield* takeNumber(draft, 'tenant', tenantName, { attempt });
  putTenant(draft, { name: tenantName, number, ...saidOf(config) }, undefined);
  return { txn: draft, answer: { done: true, created: true } };
}

/** What a configuration says of a tenant, as the row has it. */
const saidOf = (config: TenantConfig): Pick<Tenant, 'defaultNetwork' | keyof PolicySettings> => ({
  ...(config.defaultNetwork === '' ? {} : { defaultNetwork: config.defaultNetwork }),
  ...settingsSchema.parse(saidSettings(settingsOf(config))),
});

function changedTenant(stored: Stored<Tenant>, config: TenantConfig): Decision<PutAnswer> {
  const { name, number, changes = 0 } = stored.value;
  const before = stored.value.changes === undefined ? {} : { changes };
  const said = { name, number, ...saidOf(config) };
  const answer = { done: true, created: false };
  if (sameValue({ ...said, ...before }, stored.value)) return { txn: undefined, answer };
  const draft: TxnDraft = { compare: [], then: [] };
  putTenant(draft, { ...said, changes: changes + 1 }, stored);
  return { txn: draft, answer };
}

/** Makes the tenant that is there by itself, if it is missing. Refuses with SITE_LIMIT. */
export function* planDefaultTenant(): Plan<boolean> {
  const [row] = (yield { start: tenantKey(defaultTenant) }).rows;
  if (row !== undefined) return { txn: undefined, answer: false };
  const draft: TxnDraft = { compare: [], then: [] };
  const number = yield* takeNumber(draft, 'tenant', defaultTenant);
  putTenant(draft, { name: defaultTenant, number }, undefined);
  return { txn: draft, answer: true };
}

/** What keeps a tenant from being removed, in Contiv's order and words, then what Contiv did not look at. */
const inhabitants: readonly (readonly [KindName, string])[] = [
  ['appProfile', 'cannot delete {tenant}, has {n} app profiles'],
  ['endpointGroup', 'cannot delete {tenant} has {n} endpoint groups'],
  ['policy', 'cannot delete {tenant} has {n} policies'],
  ['netprofile', 'Cannot delete {tenant} has {n} netprofiles'],
  ['network', 'cannot delete {tenant} has {n} networks'],
  ['serviceLB', 'cannot delete {tenant} has {n} services'],
  ['extContractsGroup', 'cannot delete {tenant} has {n} external contracts groups'],
];

/**
 * Removes a tenant, except `default`, which is always there. Refuses with OBJECT_UNKNOWN, OBJECT_IN_USE and
 * OBJECT_CHANGED.
 */
export function* planRemoveTenant(name: ObjectName, condition: Condition): Plan<RemoveAnswer> {
  const [tenant = ''] = name.parts;
  const key = tenantKey(tenant);
  const guard = yield* readObjectGuard(name);
  const [row] = (yield { start: key }).rows;
  requireCondition(name, row && revisionOf('tenant', row), condition);
  if (row === undefined) throw unknownObject(name);
  if (tenant === defaultTenant) {
    throw new FairleadError('OBJECT_IN_USE', `cannot delete ${tenant}, it is always there`, {
      fix: 'remove what is in it, and leave it',
    });
  }
  for (const [kind, said] of inhabitants) yield* requireNone(tenant, kind, said);
  if ((yield { ...tenantSubnetRange(tenant), limit: 1 }).rows.length > 0) {
    throw new FairleadError(
      'OBJECT_IN_USE',
      `cannot delete ${tenant}, a host is about to make a network in it`,
    );
  }
  if (!guard.isClosed) {
    return { txn: closeObjectGuard(guard, thereAs(row)), answer: { done: false } };
  }
  const { number } = decodeRecord(tenantSchema, row).value;
  const draft: TxnDraft = {
    compare: [asRead(key, row)],
    then: [
      { op: 'delete', start: key },
      { op: 'delete', start: numberKey('tenant', number) },
    ],
  };
  removeObjectGuard(draft, guard);
  return { txn: draft, answer: { done: true } };
}

/** Networks of a tenant that are being removed. */
function* leavingIn(tenant: string): Step<readonly SiteNetworkName[]> {
  const rows = yield* readAll(objectRange('network', [tenant]));
  return rows
    .map((row) => decodeRecord(siteNetworkSchema, row).value)
    .filter(({ leaving }) => leaving === true)
    .map(({ name }) => ({ tenant, network: name }));
}

function* requireNone(tenant: string, kind: KindName, said: string): Step<void> {
  const range = objectRange(kind, [tenant]);
  if ((yield { ...range, limit: 1 }).rows.length === 0) return;
  const leaving = kind === 'network' ? yield* leavingIn(tenant) : [];
  const count = (yield* countRows(range)) - leaving.length;
  if (count === 0 && leaving[0] !== undefined) throw leavingNetwork(leaving[0]);
  throw new FairleadError(
    'OBJECT_IN_USE',
    said.replace('{tenant}', tenant).replace('{n}', String(count)),
  );
}
