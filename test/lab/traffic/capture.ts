/** Captures: every frame of a link, or of all links of a namespace, for a test to say who saw what. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { markVariable } from '../processes.ts';
import { waitFor } from '../wait.ts';
import { decode, type Decoded } from './decode.ts';
import { Instrument, type Vantage } from './instrument.ts';
import { readPcapng, type CapturedFrame } from './pcapng.ts';

const captureSchema = z.object({
  frames: z.number(),
  /** The kernel had no room for them: a proof of absence is none. */
  unseen: z.number(),
});

type CaptureInstrument = Instrument<z.infer<typeof captureSchema>>;

/** A frame that was seen, and what it says. */
export interface Seen extends CapturedFrame {
  /** Where it was seen. */
  readonly at: string;
  readonly says: Decoded | undefined;
}

/** A capture under way. */
export class Capture {
  /** The capture as a file, for other tools. It goes with the lab. */
  readonly file: string;
  readonly #at: Vantage;
  readonly #instrument: CaptureInstrument;

  private constructor(at: Vantage, file: string, instrument: CaptureInstrument) {
    this.#at = at;
    this.file = file;
    this.#instrument = instrument;
  }

  /** Begins, on one link or on all that are there or come. */
  static async start(at: Vantage, link?: string): Promise<Capture> {
    const lab = at.environment[markVariable];
    if (lab === undefined) throw new Error(`${at.name} is of no lab`);
    const file = join(mkdtempSync(join(lab, 'capture-')), 'frames.pcapng');
    const task = { command: 'capture', options: { file, link }, answer: captureSchema };
    return new Capture(at, file, await Instrument.start(at, task));
  }

  /** What has been seen so far. */
  async seen(): Promise<readonly Seen[]> {
    await this.settled();
    return this.#read({ growing: true });
  }

  /** Resolves when every frame until now is taken. */
  async settled(): Promise<void> {
    await this.#instrument.ask();
  }

  /** Waits until a frame is seen, and gives it. */
  async waitFor(what: string, wanted: (seen: Seen) => boolean, timeoutMs = 15_000): Promise<Seen> {
    const awaited = { what: `${what} at ${this.#at.name}`, timeoutMs, everyMs: 50 };
    return waitFor(awaited, async () => (await this.seen()).find(wanted));
  }

  /**
   * Ends it and gives all frames; the file goes.
   * @throws {Error} when some were not seen
   */
  async stop(): Promise<readonly Seen[]> {
    const { unseen } = await this.#instrument.stop();
    const seen = this.#read({ growing: false });
    rmSync(join(this.file, '..'), { recursive: true });
    if (unseen > 0) throw new Error(`capture at ${this.#at.name}: ${unseen} frames were not seen`);
    return seen;
  }

  #read(state: { readonly growing: boolean }): readonly Seen[] {
    const at = this.#at.name;
    return readPcapng(readFileSync(this.file), state).map((frame) => ({
      ...frame,
      at,
      says: decode(frame.bytes),
    }));
  }
}

/** Captures at many places while something happens, and gives all that was seen. */
export async function captureAll(
  places: readonly Vantage[],
  during: () => Promise<void>,
): Promise<readonly Seen[]> {
  const captures = await Promise.all(places.map((at) => Capture.start(at)));
  try {
    await during();
  } finally {
    await Promise.all(captures.map((each) => each.settled()));
  }
  return (await Promise.all(captures.map((each) => each.stop()))).flat();
}
