/**
 * Clients that stay with their container: they are divided into slots by their addresses, and each slot has a
 * container. The container of a slot is the one that gets the highest draw of all (rendezvous hashing: Thaler and
 * Ravishankar, 1998), so that one that comes or goes changes the slots that it gets or had and no other, and all hosts
 * agree without a word.
 */
import { assert } from '../assert.ts';
import { serviceSlotsMax } from '../limits.ts';

/** For each slot the index of its container among these, by their ids. */
export function slotsOf(ids: readonly string[]): readonly number[] {
  assert(ids.length > 0, 'somebody has the slots');
  return Array.from({ length: serviceSlotsMax }, (_, slot) => {
    let best = 0;
    for (const [index, id] of ids.entries()) {
      const than = draw(slot, ids[best] ?? '') - draw(slot, id);
      if (than < 0 || (than === 0 && id < (ids[best] ?? ''))) best = index;
    }
    return best;
  });
}

/** 32 bits by chance, always the same for the same: FNV-1a, and the end of MurmurHash3 to mix them. */
function draw(slot: number, id: string): number {
  let hash = 0x811c_9dc5 ^ slot;
  for (const character of id) {
    hash = Math.imul(hash ^ (character.codePointAt(0) ?? 0), 0x0100_0193);
  }
  hash = Math.imul(hash ^ (hash >>> 16), 0x85eb_ca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2_ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}
