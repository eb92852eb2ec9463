/**
 * Which tenants, and which networks of this host only, have a joined endpoint here. Both are named by one
 * text, a domain.
 */
import type { Network } from '../model/network.ts';

/** The domain of a tenant. No id of a Docker network begins so. */
export const tenantDomain = (tenant: string): string => `/${tenant}`;

/** The tenant of a domain, undefined for a network of this host. */
export const tenantOf = (domain: string): string | undefined =>
  domain.startsWith('/') ? domain.slice(1) : undefined;

/** The domain that a Docker network's endpoints are in. */
export const domainOf = (network: Network): string =>
  network.site === undefined ? network.id : tenantDomain(network.site.tenant);

/** Joined endpoints counted by domain. */
export class Interest {
  readonly #domains = new Map<string, string>();
  readonly #counts = new Map<string, number>();

  /** Says in which domain an endpoint is joined, if any. Answers whose interest began or ended. */
  set(endpoint: string, domain: string | undefined): readonly string[] {
    const before = this.#domains.get(endpoint);
    if (before === domain) return [];
    const changed: string[] = [];
    if (before !== undefined) {
      this.#domains.delete(endpoint);
      if (this.#count(before, -1) === 0) changed.push(before);
    }
    if (domain !== undefined) {
      this.#domains.set(endpoint, domain);
      if (this.#count(domain, 1) === 1) changed.push(domain);
    }
    return changed;
  }

  /** Whether an endpoint is joined there. */
  has(domain: string): boolean {
    return this.#counts.has(domain);
  }

  /** The tenants with one. */
  tenants(): readonly string[] {
    return [...this.#counts.keys()].flatMap((domain) => tenantOf(domain) ?? []);
  }

  #count(domain: string, more: 1 | -1): number {
    const count = (this.#counts.get(domain) ?? 0) + more;
    if (count === 0) this.#counts.delete(domain);
    else this.#counts.set(domain, count);
    return count;
  }
}
