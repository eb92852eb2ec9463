/** Sets by key in a map that has no empty one: who is in it has members. */

/** Adds a member to the set of a key. Answers whether it is the first of it. */
export function enlist<Key, Member>(
  sets: Map<Key, Set<Member>>,
  key: Key,
  member: Member,
): boolean {
  const set = sets.get(key);
  if (set !== undefined) {
    set.add(member);
    return false;
  }
  sets.set(key, new Set([member]));
  return true;
}

/** Takes a member out of the set of a key, if it is in there. Answers whether it was the last of it. */
export function delist<Key, Member>(
  sets: Map<Key, Set<Member>>,
  key: Key,
  member: Member,
): boolean {
  const set = sets.get(key);
  if (set === undefined || !set.delete(member) || set.size > 0) return false;
  return sets.delete(key);
}
