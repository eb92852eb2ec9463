/**
 * Local reads that never go back behind what was written through here: whoever has just recorded a port may
 * look at what this host has, without asking the others and without quorum, and will find it. Our own store
 * has that by itself; an etcd may answer from a member that is behind.
 */
import type { RangeRequest, StateStore } from './port.ts';

/** The store, with that promise. */
export function readYourWrites(store: StateStore): StateStore {
  let written = 0;
  const asked = (request: RangeRequest): RangeRequest =>
    request.consistency === 'local'
      ? { ...request, minRevision: Math.max(written, request.minRevision ?? 0) }
      : request;
  return {
    range: (request) => store.range(asked(request)),
    rangeHere: (request) => store.rangeHere?.(asked(request)),
    async txn(txn) {
      const done = await store.txn(txn);
      written = Math.max(written, done.revision);
      return done;
    },
    watch: (request) => store.watch(request),
    grantLease: (ttlMs) => store.grantLease(ttlMs),
    keepLease: (id) => store.keepLease(id),
    revokeLease: (id) => store.revokeLease(id),
    close: () => store.close(),
  };
}
