/**
 * Tenants, as Docker's calls need them: the first network of one that is missing makes it. Operators make and
 * remove them by name (`objects/tenants.ts`).
 */
import { encodeRecord, decodeRecord, type Stored } from '../model/record.ts';
import { tenantKey } from '../model/site-keys.ts';
import { tenantSchema, type Tenant } from '../model/site.ts';
import { asRead, type Step, type TxnDraft } from '../store/plan.ts';
import { takeNumber } from './numbers.ts';

/** The tenant of this name, if there is one. */
export function* readTenant(name: string): Step<Stored<Tenant> | undefined> {
  const [row] = (yield { start: tenantKey(name) }).rows;
  return row === undefined ? undefined : decodeRecord(tenantSchema, row);
}

/**
 * The tenant, made when there is none. It is put again either way: of two transactions that both change
 * what only the tenant's row guards, one is made again. Refuses with SITE_LIMIT.
 */
export function* guardTenant(draft: TxnDraft, name: string): Step<Tenant> {
  const stored = yield* readTenant(name);
  const tenant = stored?.value ?? { name, number: yield* takeNumber(draft, 'tenant', name) };
  putTenant(draft, tenant, stored);
  return tenant;
}

/** Adds the tenant's row, also when nothing of it changes: who removes the tenant then finds it changed. */
export function putTenant(
  draft: TxnDraft,
  tenant: Tenant,
  before: { readonly modRevision: number } | undefined,
): void {
  const key = tenantKey(tenant.name);
  draft.compare.push(asRead(key, before));
  draft.then.push({ op: 'put', key, value: encodeRecord(tenant) });
}
