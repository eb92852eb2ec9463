/** Whether two plain values are equal, member by member. For data of ours: no circles, no classes. */
export function sameValue(one: unknown, other: unknown): boolean {
  if (Object.is(one, other)) return true;
  if (typeof one !== 'object' || typeof other !== 'object') return false;
  if (one === null || other === null) return false;
  if (Array.isArray(one) !== Array.isArray(other)) return false;
  const ones = Object.entries(one);
  const others = new Map(Object.entries(other));
  if (ones.length !== others.size) return false;
  return ones.every(([name, value]) => others.has(name) && sameValue(value, others.get(name)));
}
