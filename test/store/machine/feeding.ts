/** Short words for feeding machines with entries. */
import type { Command, Proposal, Reply, SessionMark } from '../../../lib/store/machine/command.ts';
import { Machine, type Applied } from '../../../lib/store/machine/machine.ts';
import { machineLimits, type MachineLimits } from '../../../lib/store/machine/machine-limits.ts';
import { encodeProposal } from '../../../lib/store/machine/proposal.ts';
import { emptyImage, type MachineOptions } from '../../../lib/store/machine/state.ts';
import type { Operation, TxnResult } from '../../../lib/store/port.ts';
import { fastHash } from './fast-hash.ts';

/** Options with some bounds made small. */
export function options(limits: Partial<MachineLimits> = {}): MachineOptions {
  return { limits: { ...machineLimits, ...limits }, hash: fastHash };
}

/** A machine of a new cluster. */
export function newMachine(limits: Partial<MachineLimits> = {}): Machine {
  return Machine.load(emptyImage(), options(limits));
}

/** The only transaction with these operations and no condition. */
export const write = (...operations: readonly Operation[]): Command => ({
  do: 'txn',
  txn: { compare: [], then: operations },
});
/** The same on the cluster's own rows. */
export const systemWrite = (...operations: readonly Operation[]): Command => ({
  do: 'system',
  txn: { compare: [], then: operations },
});

/** A client's name, in the form that is asked for. */
export const clientId = (number: number): string => number.toString(16).padStart(32, '0');

/** What goes with a command; `term` is that of the entry. */
export interface Around {
  readonly session?: SessionMark;
  readonly wallMs?: number;
  readonly term?: number;
}

/** Applies a command as the next entry. */
export function feed(machine: Machine, command: Command, around: Around = {}): Applied {
  const { session, wallMs = 1_000_000, term = Math.max(1, machine.applied.term) } = around;
  const proposal: Proposal =
    session === undefined ? { command, wallMs } : { command, session, wallMs };
  const index = machine.applied.index + 1;
  return machine.apply({ index, term, kind: 'command', data: encodeProposal(proposal) });
}

/** The answer to a command. */
export function ask(machine: Machine, command: Command, around: Around = {}): Reply {
  const { reply } = feed(machine, command, around);
  if (reply === undefined) throw new Error('a command is answered');
  return reply;
}

/** The result of a command that is not refused. */
export function result(machine: Machine, command: Command, around: Around = {}): TxnResult {
  const reply = ask(machine, command, around);
  if (!reply.ok || reply.result === undefined) throw new Error(JSON.stringify(reply));
  return reply.result;
}

/** Every key of the users and its row, without what a test does not look at. */
export const rowsOf = (machine: Machine): readonly (readonly [string, string])[] =>
  machine.range({ start: '!', end: '\x7f' }).rows.map(({ key, value }) => [key, value]);
