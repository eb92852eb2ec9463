/** What one step has to be done, collected while it runs. */
import type { Entry, MemberId, Position } from './entry.ts';
import type { Outgoing, RaftMessage } from './message.ts';
import type { Effects, LogWrite, OutgoingAfter, ReadAnswer, Refusal } from './step.ts';

const nothing: readonly never[] = [];

/** The effects of one step in the making. Lists that stay empty cost nothing. */
export class Outbox {
  #sendNow: Outgoing[] | undefined;
  #sendAfter: OutgoingAfter[] | undefined;
  #reads: ReadAnswer[] | undefined;
  #snapshotTo: MemberId[] | undefined;
  #appendedAt: Position | undefined;
  #refused: Refusal | undefined;

  send(to: MemberId, message: RaftMessage): void {
    (this.#sendNow ??= []).push({ to, message });
  }

  sendAfter(to: MemberId, message: RaftMessage, token: number): void {
    (this.#sendAfter ??= []).push({ to, message, token });
  }

  answerRead(id: number, index: number | undefined): void {
    (this.#reads ??= []).push({ id, index });
  }

  snapshotTo(member: MemberId): void {
    (this.#snapshotTo ??= []).push(member);
  }

  appendedAt(at: Position): void {
    this.#appendedAt = at;
  }

  refuse(why: Refusal): void {
    this.#refused = why;
  }

  /** Hands everything over and begins anew. */
  take(write: LogWrite | undefined, committed: readonly Entry[]): Effects {
    const effects: Effects = {
      ...(write !== undefined && { write }),
      sendNow: this.#sendNow ?? nothing,
      sendAfter: this.#sendAfter ?? nothing,
      committed,
      reads: this.#reads ?? nothing,
      snapshotTo: this.#snapshotTo ?? nothing,
      ...(this.#appendedAt !== undefined && { appendedAt: this.#appendedAt }),
      ...(this.#refused !== undefined && { refused: this.#refused }),
    };
    this.#sendNow = undefined;
    this.#sendAfter = undefined;
    this.#reads = undefined;
    this.#snapshotTo = undefined;
    this.#appendedAt = undefined;
    this.#refused = undefined;
    return effects;
  }
}
