/**
 * Which connection to each member is in use. Both sides dial, so that one of them being unreachable or just
 * back is enough, and so two connections may come about. Both sides then keep the same one:
 *
 * - of a later run of the other process (the old one is dead, and nobody has told us),
 * - else the newer of two dialled by the same side (it believes the old one dead),
 * - else the one dialled by the member with the lower id.
 *
 * The other lives on, unused, until what is under way on it has ended.
 */
import type { MemberId } from '../raft/entry.ts';
import type { Link } from './link.ts';

/** All connections to members. */
export class Roster {
  readonly #own: MemberId;
  readonly #active = new Map<MemberId, Link>();
  readonly #retired = new Set<Link>();

  constructor(own: MemberId) {
    this.#own = own;
  }

  /** The connection in use. */
  find(member: MemberId): Link | undefined {
    return this.#active.get(member);
  }

  /** Every connection, in use or not. */
  all(): readonly Link[] {
    return [...this.#active.values(), ...this.#retired];
  }

  /** Members that are connected. */
  members(): readonly MemberId[] {
    return [...this.#active.keys()];
  }

  /** Takes a new connection in; answers a dead one that it replaces, which is to be cut. */
  add(link: Link, nowMs: number): Link | undefined {
    const member = link.hello.memberId;
    const existing = this.#active.get(member);
    if (existing === undefined) {
      this.#active.set(member, link);
      return undefined;
    }
    if (existing.hello.run !== link.hello.run || existing.dialled === link.dialled) {
      this.#active.set(member, link);
      return existing;
    }
    const isDialledByLower = link.dialled === this.#own < member;
    const [kept, left] = isDialledByLower ? [link, existing] : [existing, link];
    this.#active.set(member, kept);
    left.retiredMs = nowMs;
    this.#retired.add(left);
    return undefined;
  }

  /** A connection has ended; true when the member is now without one. */
  remove(link: Link): boolean {
    const member = link.hello.memberId;
    if (this.#retired.delete(link) || this.#active.get(member) !== link) return false;
    this.#active.delete(member);
    const { run } = link.hello;
    const other = [...this.#retired].find(
      ({ hello }) => hello.memberId === member && hello.run === run,
    );
    if (other === undefined) return true;
    this.#retired.delete(other);
    other.retiredMs = undefined;
    this.#active.set(member, other);
    return false;
  }
}
