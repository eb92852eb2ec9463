/**
 * Pieces of packets that conntrack gave up. In user space it holds pieces until it has all of them; those whose others
 * do not come it puts, after a while and as they were before it, among the packets of whatever conntrack is asked about
 * next: of any tenant, with the registers of that one. So nothing goes on after `ct` but by a table that drops what
 * is not tracked. The kernel's conntrack drops them itself.
 */
import type { Match } from '../openflow/codec/flow.ts';
import { ctState } from './ct-state.ts';
import { drop, type FlowWriter } from './unit.ts';

/** What conntrack has not looked at. */
const isUntracked: Match = { ctState: { value: 0, mask: ctState.tracked } };
/** Above all else of a table. */
const first = 400;

/** In a table after `ct`; `asked` are marks of those that come from there, where others come to the table, too. */
export function dropGivenUp(flow: FlowWriter, table: number, asked: Match = {}): void {
  flow.add({ table, priority: first }, [isUntracked, asked], drop);
}
