/**
 * Tenants: for now the first network makes its tenant, and none goes again; `default` is one like the
 * others, that is there when somebody needs it.
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
  const number = stored?.value.number ?? (yield* takeNumber(draft, 'tenant', name));
  const tenant: Tenant = { name, number };
  draft.compare.push(asRead(tenantKey(name), stored));
  draft.then.push({ op: 'put', key: tenantKey(name), value: encodeRecord(tenant) });
  return tenant;
}
