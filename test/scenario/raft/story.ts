/**
 * Stories about consensus, told in text: commands, and under each everything that came of it. A story
 * reads like a protocol of what members did, and a change in what they do shows as a change in its text.
 *
 * A line `> command` is followed by its trace, each line behind two blanks. Everything else is prose.
 */
import { expect } from 'vitest';
import { encodeConfig, type RaftConfig } from '../../../lib/store/raft/config.ts';
import type { Entry, HardState, MemberId } from '../../../lib/store/raft/entry.ts';
import type { Effects, Input, RaftOptions } from '../../../lib/store/raft/step.ts';
import { emptyDisk, Member, type Disk, type Envelope } from '../../store/raft/cluster.ts';
import { parseMessage } from './parse-message.ts';
import { Words } from './words.ts';
import {
  describeConfig,
  describeEntry,
  describeMessage,
  describeStatus,
  describeWrite,
} from './wording.ts';

/** Members are called by one letter; their id is sixteen of it. */
export const idOf = (name: string): MemberId => name.repeat(16);
export const nameOf = (id: MemberId): string => id.slice(0, 1);

const storyOptions: Omit<RaftOptions, 'random'> = {
  electionTicks: 5,
  heartbeatTicks: 1,
  entriesPerMessageMax: 4,
  bytesPerMessageMax: 100,
  messagesInFlightMax: 2,
  uncommittedEntriesMax: 12,
  uncommittedBytesMax: 200,
  learnerLagEntriesMax: 1,
  learnerSteadyTicks: 2,
};

const configOf = (words: Words): RaftConfig => ({
  voters: words.list('voters').map(idOf),
  learners: words.list('learners').map(idOf),
  witnesses: words.list('witnesses').map(idOf),
});

/** A log in short: `1`, `1:x` or `2:voters/a+b` are an entry of that term, with its data. */
function entryOf(text: string, index: number): Entry {
  const [term, data] = text.split(':');
  const voters = /^voters\/(.*)$/.exec(data ?? '')?.[1]?.split('+');
  if (voters === undefined)
    return { index, term: Number(term), kind: 'command', data: data ?? `x${index}` };
  const config = { voters: voters.map(idOf), learners: [], witnesses: [] };
  return { index, term: Number(term), kind: 'config', data: encodeConfig(config) };
}

/** One story while it is told. */
export class Story {
  readonly #members = new Map<string, Member>();
  readonly #delays = new Map<string, number>();
  readonly #cuts = new Set<string>();
  readonly #kept = new Map<string, Envelope>();
  #network: Envelope[] = [];
  #lines: string[] = [];

  /** Carries out a command; what came of it. */
  tell(command: string): readonly string[] {
    this.#lines = [];
    const [verb = '', ...rest] = command.split(/\s+/);
    const act = this.#acts()[verb];
    if (act === undefined) throw new Error(`no such command: ${command}`);
    act(new Words(rest));
    return this.#lines;
  }

  #acts(): Readonly<Record<string, (words: Words) => void>> {
    return {
      members: (words) => this.#start(words),
      disk: (words) => this.#prepare(words),
      patience: (words) => this.#delays.set(words.at(0), Number(words.at(1))),
      tick: (words) => this.#tick(words),
      campaign: (words) => this.#step(words.at(0), { type: 'campaign' }),
      propose: (words) =>
        this.#step(words.at(0), { type: 'propose', commands: words.plain.slice(1) }),
      change: (words) => this.#step(words.at(0), { type: 'changeConfig', config: configOf(words) }),
      read: (words) => this.#step(words.at(0), { type: 'read', id: Number(words.at(1)) }),
      transfer: (words) => this.#step(words.at(0), { type: 'transfer', to: idOf(words.at(1)) }),
      stepDown: (words) => this.#step(words.at(0), { type: 'stepDown' }),
      unreachable: (words) =>
        this.#step(words.at(0), { type: 'unreachable', member: idOf(words.at(1)) }),
      persisted: (words) =>
        this.#step(words.at(0), { type: 'persisted', token: Number(words.at(1)) }),
      persist: (words) => this.#persist(words.at(0), Number(words.plain[1] ?? 1_000)),
      deliver: (words) => this.#deliver(words),
      drop: (words) => this.#drop(words),
      repeat: (words) => this.#repeat(words),
      keep: (words) => this.#keep(words),
      replay: (words) => this.#replay(words),
      inject: (words) => this.#inject(words),
      cut: (words) => this.#cut(words.plain, true),
      join: (words) => this.#cut(words.plain, false),
      isolate: (words) => this.#isolate(words.at(0)),
      heal: () => this.#cuts.clear(),
      lead: (words) => this.#lead(words.at(0)),
      beat: (words) => this.#beat(words),
      stabilize: (words) => this.#stabilize(words.plain),
      crash: (words) => this.#crash(words.at(0)),
      compact: (words) => this.#compact(words),
      snapshot: (words) => this.#snapshot(words),
      snapshotFailed: (words) =>
        this.#step(words.at(0), { type: 'snapshotFailed', to: idOf(words.at(1)) }),
      subscribe: (words) => this.#subscribe(words),
      status: (words) => this.#status(words.plain),
      log: (words) => this.#log(words.plain),
      config: (words) => this.#config(words.plain),
    };
  }

  #member(name: string): Member {
    const member = this.#members.get(name);
    if (member === undefined) throw new Error(`nobody is called ${name}`);
    return member;
  }

  #say(line: string): void {
    this.#lines.push(line);
  }

  /** `members voters=a,b,c [learners=] [witnesses=] [observers=] [any option=number]` */
  #start(words: Words): void {
    const config = configOf(words);
    const options = Object.fromEntries(
      Object.entries(storyOptions).map(([name, value]) => [name, words.number(name, value)]),
    ) as unknown as typeof storyOptions;
    const ids = [...config.voters, ...config.learners, ...words.list('observers').map(idOf)];
    for (const id of ids) {
      const name = nameOf(id);
      const random = () => (this.#delays.get(name) ?? 0) / options.electionTicks;
      this.#members.set(name, new Member(id, emptyDisk(config), { ...options, random }));
    }
  }

  /** `disk a log=1,1,2:x term=3 vote=b commit=1`: starts a member anew from such a disk. */
  #prepare(words: Words): void {
    const member = this.#member(words.at(0));
    const entries = (words.text('log') ?? '')
      .split(',')
      .filter((text) => text !== '')
      .map((text, at) => entryOf(text, at + 1));
    const vote = words.text('vote');
    const hard: HardState = {
      term: words.number('term', entries.at(-1)?.term ?? 0),
      vote: vote === undefined ? undefined : idOf(vote),
      commit: words.number('commit', 0),
    };
    const disk: Disk = { ...member.disk, hard, entries };
    member.disk = disk;
    member.restart();
    this.#say(describeStatus(member));
  }

  #tick(words: Words): void {
    for (let count = Number(words.plain[1] ?? 1); count > 0; count -= 1)
      this.#step(words.at(0), { type: 'tick' });
  }

  #step(name: string, input: Input): void {
    const member = this.#member(name);
    const before = describeStatus(member);
    const { effects, sent } = member.step(input);
    this.#report(member, before, effects);
    this.#send(sent);
  }

  #report(member: Member, before: string, effects: Effects): void {
    const name = nameOf(member.id);
    const { refused, appendedAt, write, reads, snapshotTo, committed } = effects;
    if (refused !== undefined) this.#say(`${name} refuses: ${refused}`);
    const after = describeStatus(member);
    if (after !== before) this.#say(after);
    if (appendedAt !== undefined) this.#say(`${name} appends at ${appendedAt.index}`);
    if (write !== undefined) this.#say(`${name} writes ${describeWrite(write)}`);
    if (committed.length > 0)
      this.#say(`${name} commits ${committed.map(describeEntry).join(', ')}`);
    for (const { id, index } of reads)
      this.#say(`${name} answers read ${id}: ${index === undefined ? 'lost' : `at ${index}`}`);
    for (const to of snapshotTo) this.#say(`${name} has a snapshot brought to ${nameOf(to)}`);
    for (const { to, message, token } of effects.sendAfter)
      this.#say(`${name} -> ${nameOf(to)} after #${token}: ${describeMessage(message)}`);
  }

  #send(envelopes: readonly Envelope[]): void {
    for (const envelope of envelopes) {
      const link = `${nameOf(envelope.from)}->${nameOf(envelope.to)}`;
      const isLost = this.#cuts.has(link) || !this.#members.has(nameOf(envelope.to));
      const words = describeMessage(envelope.message);
      this.#say(`${link.replace('->', ' -> ')} ${words}${isLost ? ' (lost)' : ''}`);
      if (!isLost) this.#network.push(envelope);
    }
  }

  #persist(name: string, count: number): void {
    const member = this.#member(name);
    const before = describeStatus(member);
    const { effects, sent } = member.persist(count);
    if (effects === undefined) return;
    this.#say(`${name} has #${member.persistedToken} on disk`);
    this.#report(member, before, effects);
    this.#send(sent);
  }

  /** The first message on a link, `a->b`; or on any. */
  #take(link: string): Envelope | undefined {
    const at = this.#network.findIndex(
      ({ from, to }) => link === '' || `${nameOf(from)}->${nameOf(to)}` === link,
    );
    return at < 0 ? undefined : this.#network.splice(at, 1)[0];
  }

  #takeOne(link: string): Envelope {
    const envelope = this.#take(link);
    if (envelope === undefined) throw new Error(`nothing is on its way ${link}`);
    return envelope;
  }

  /** `deliver a->b [count]`: the oldest messages of a link arrive. */
  #deliver(words: Words): void {
    for (let count = Number(words.plain[1] ?? 1); count > 0; count -= 1)
      this.#arrive(this.#takeOne(words.at(0)));
  }

  #arrive({ from, to, message }: Envelope): void {
    this.#say(`${nameOf(to)} gets from ${nameOf(from)}: ${describeMessage(message)}`);
    this.#step(nameOf(to), { type: 'message', from, message });
  }

  /** `drop a->b [count]`, `drop all` */
  #drop(words: Words): void {
    const link = words.at(0) === 'all' ? '' : words.at(0);
    const count = link === '' ? this.#network.length : Number(words.plain[1] ?? 1);
    for (let left = count; left > 0; left -= 1) {
      const { from, to, message } = this.#takeOne(link);
      this.#say(`lost: ${nameOf(from)} -> ${nameOf(to)} ${describeMessage(message)}`);
    }
  }

  /** `repeat a->b`: the oldest message of a link is on its way twice. */
  #repeat(words: Words): void {
    const envelope = this.#network.find(
      ({ from, to }) => `${nameOf(from)}->${nameOf(to)}` === words.at(0),
    );
    if (envelope === undefined) throw new Error(`nothing is on its way ${words.at(0)}`);
    this.#network.push(envelope);
  }

  /** `keep a->b name`: the oldest message of a link is held up; `replay name` lets it arrive. */
  #keep(words: Words): void {
    this.#kept.set(words.at(1), this.#takeOne(words.at(0)));
  }

  #replay(words: Words): void {
    const envelope = this.#kept.get(words.at(0));
    if (envelope === undefined) throw new Error(`nothing is kept as ${words.at(0)}`);
    this.#arrive(envelope);
  }

  /** `inject a->b vote term=2 last=1@1`: a message that nobody sent. */
  #inject(words: Words): void {
    const [from = '', to = ''] = words.at(0).split('->');
    const message = parseMessage(words.after(0));
    this.#arrive({ from: idOf(from), to: idOf(to), message });
  }

  #cut(links: readonly string[], isCut: boolean): void {
    for (const link of links) {
      if (isCut) this.#cuts.add(link);
      else this.#cuts.delete(link);
    }
  }

  #isolate(name: string): void {
    for (const other of this.#members.keys())
      if (other !== name) this.#cut([`${name}->${other}`, `${other}->${name}`], true);
  }

  /** `stabilize [a b]`: writes land and messages arrive among these (or all) until nothing happens. */
  #stabilize(names: readonly string[]): void {
    const among = names.length === 0 ? [...this.#members.keys()] : names;
    for (let round = 0; round < 200; round += 1) {
      let isQuiet = true;
      for (const name of among) {
        if (this.#member(name).writes.length === 0) continue;
        isQuiet = false;
        this.#persist(name, 1_000);
      }
      const waiting = this.#network;
      this.#network = [];
      for (const envelope of waiting) {
        if (!among.includes(nameOf(envelope.from)) || !among.includes(nameOf(envelope.to))) {
          this.#network.push(envelope);
          continue;
        }
        isQuiet = false;
        this.#arrive(envelope);
      }
      if (isQuiet) return;
    }
    throw new Error('it never comes to rest');
  }

  /** `lead a`: elects a; only how it ends is told. */
  #lead(name: string): void {
    this.#step(name, { type: 'campaign' });
    this.#stabilize([]);
    this.#lines = [];
    this.#status([]);
  }

  /** `beat a 3`: so many ticks of a, with everything arriving between; only what changes is told. */
  #beat(words: Words): void {
    const before = new Set([...this.#members.values()].map(describeStatus));
    for (let count = Number(words.at(1)); count > 0; count -= 1) {
      this.#step(words.at(0), { type: 'tick' });
      this.#stabilize([]);
    }
    this.#lines = [...this.#members.values()]
      .map(describeStatus)
      .filter((line) => !before.has(line));
  }

  #crash(name: string): void {
    const member = this.#member(name);
    member.restart();
    this.#say(describeStatus(member));
  }

  #compact(words: Words): void {
    const member = this.#member(words.at(0));
    member.compact(Number(words.at(1)));
    const { index, term } = member.status.base.at;
    this.#say(`${words.at(0)} begins after ${index}@${term}`);
  }

  /** `snapshot a->b [index=]`: the state of a is brought to b. */
  #snapshot(words: Words): void {
    const [from = '', to = ''] = words.at(0).split('->');
    const source = this.#member(from);
    const target = this.#member(to);
    const entry = source.committed.find(
      ({ index }) => index === words.number('index', source.status.commit),
    );
    if (entry === undefined) throw new Error('no such state');
    const before = describeStatus(target);
    const at = { index: entry.index, term: entry.term };
    const installed = target.install({ at, config: source.status.config });
    if (installed === undefined) this.#say(`${to} has no use for it`);
    else {
      const after = describeStatus(target);
      if (after !== before) this.#say(after);
      this.#send(installed.sent);
    }
    this.#step(from, { type: 'snapshotDone', to: target.id, index: at.index });
  }

  /** `subscribe f a`: f asks a to be fed from its commit on. */
  #subscribe(words: Words): void {
    const observer = this.#member(words.at(0));
    const { commit, base } = observer.status;
    const entries = [...observer.committed, ...observer.disk.entries];
    const term = entries.find(({ index }) => index === commit)?.term;
    const at = { index: commit, term: term ?? base.at.term };
    const message = { kind: 'subscribe', at } as const;
    this.#send([{ from: observer.id, to: idOf(words.at(1)), message }]);
  }

  #status(names: readonly string[]): void {
    for (const name of names.length === 0 ? this.#members.keys() : names) {
      const member = this.#member(name);
      this.#say(describeStatus(member));
      for (const each of member.status.progress) {
        const { state, matched, next, silentTicks } = each;
        const silence = silentTicks === undefined ? 'never heard' : `silent for ${silentTicks}`;
        this.#say(`  ${nameOf(each.member)}: ${state}, has ${matched}, next ${next}, ${silence}`);
      }
    }
  }

  /** The configuration in force, and the index of the entry that brought it. */
  #config(names: readonly string[]): void {
    for (const name of names.length === 0 ? this.#members.keys() : names) {
      const { config, configIndex } = this.#member(name).status;
      this.#say(`${name}: ${describeConfig(config)} since ${configIndex}`);
    }
  }

  /** The log on the disk. */
  #log(names: readonly string[]): void {
    for (const name of names.length === 0 ? this.#members.keys() : names) {
      const { base, entries } = this.#member(name).disk;
      const before = base.at.index === 0 ? '' : `(after ${base.at.index}@${base.at.term}) `;
      this.#say(`${name}: ${before}${entries.map(describeEntry).join(', ')}`);
    }
  }
}

/** The text of a story as it comes out when it is told. */
export function retell(text: string): string {
  const story = new Story();
  const lines: string[] = [];
  for (const line of text.split('\n')) {
    if (line.startsWith('  ')) continue;
    lines.push(line);
    if (!line.startsWith('> ')) continue;
    try {
      lines.push(...story.tell(line.slice(2)).map((each) => `  ${each}`));
    } catch (error) {
      lines.push(`  FAILED: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
  return lines.join('\n');
}

/** Fails with the difference when a story comes out differently from its text. */
export function expectStory(text: string): void {
  expect(retell(text)).toBe(text);
}
