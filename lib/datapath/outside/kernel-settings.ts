/**
 * Settings below /proc/sys/net that the way out needs, changed only where they are not so already. What they
 * were is noted in a file before it is changed, and put back when it is no longer needed. The file lives as
 * long as the settings do: until the machine restarts.
 */
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { z } from 'zod';
import { FairleadError } from '../../errors.ts';

const notesSchema = z.record(z.string(), z.strictObject({ before: z.string(), ours: z.string() }));
type Notes = z.infer<typeof notesSchema>;

/** Settings by path below /proc/sys/net, in the order in which they are made. */
export type WantedSettings = ReadonlyMap<string, string>;

/** The settings of this host. */
export class KernelSettings {
  readonly #file: string;
  readonly #root: string;
  #notes: Notes | undefined;

  /** @param file where is noted what was changed */
  constructor(file: string, root = '/proc/sys/net') {
    this.#file = file;
    this.#root = root;
  }

  /** A setting as it is; undefined where the kernel has no such. */
  async read(path: string): Promise<string | undefined> {
    return (await readFile(join(this.#root, path), 'utf8').catch(() => undefined))?.trim();
  }

  /** Sets what belongs to a link of ours: nothing is noted, it goes with the link. */
  async setOwn(path: string, value: string): Promise<void> {
    if ((await this.read(path)) !== value) await this.#write(path, value);
  }

  /**
   * Makes settings so, and puts back those of before that are not wanted any more, the last one first.
   * @param isLeft settings that stay although they are not wanted: somebody else needs them by now
   * @returns how many were changed
   * @throws OUTSIDE_FAILED
   */
  async ensure(wanted: WantedSettings, isLeft: (path: string) => boolean): Promise<number> {
    const notes = await this.#read();
    let changed = 0;
    for (const [path, { before, ours }] of Object.entries(notes).toReversed()) {
      if (wanted.has(path)) continue;
      // changed since by somebody, or gone with its link: not ours any more
      if ((await this.read(path)) === ours && !isLeft(path)) {
        await this.#write(path, before);
        changed += 1;
      }
      await this.#note(without(this.#notes ?? {}, path));
    }
    for (const [path, value] of wanted) {
      const before = await this.read(path);
      if (before === undefined || before === value) continue;
      if (this.#notes?.[path] === undefined) {
        await this.#note({ ...this.#notes, [path]: { before, ours: value } });
      }
      await this.#write(path, value);
      changed += 1;
    }
    return changed;
  }

  /** The settings that are as they are because of us. */
  async held(): Promise<ReadonlySet<string>> {
    return new Set(Object.keys(await this.#read()));
  }

  async #read(): Promise<Notes> {
    if (this.#notes !== undefined) return this.#notes;
    const text = await readFile(this.#file, 'utf8').catch(() => '{}');
    const parsed = notesSchema.safeParse(parseJson(text));
    // what cannot be read is as if nothing had been changed: settings stay as they are
    this.#notes = parsed.success ? parsed.data : {};
    return this.#notes;
  }

  async #note(notes: Notes): Promise<void> {
    this.#notes = notes;
    if (Object.keys(notes).length === 0) return rm(this.#file, { force: true });
    await mkdir(dirname(this.#file), { recursive: true });
    const next = `${this.#file}.new`;
    await writeFile(next, `${JSON.stringify(notes, undefined, 2)}\n`);
    await rename(next, this.#file);
  }

  async #write(path: string, value: string): Promise<void> {
    try {
      await writeFile(join(this.#root, path), value);
    } catch (thrown) {
      const why = thrown instanceof Error ? thrown.message : String(thrown);
      throw new FairleadError('OUTSIDE_FAILED', `cannot set ${path} to ${value}: ${why}`, {
        cause: thrown,
      });
    }
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function without(notes: Notes, path: string): Notes {
  const { [path]: _gone, ...rest } = notes;
  return rest;
}
