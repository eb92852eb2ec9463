/** Sends frames as they are, whatever they say: from a hostile container, a machine, a host. */
import { z } from 'zod';
import { Instrument, type Vantage } from './instrument.ts';

const injectedSchema = z.union([
  z.object({
    sent: z.number(),
    /** The link did not take them: `why`. */
    refused: z.number(),
    why: z.string(),
  }),
  z.object({ ended: z.literal(true) }),
]);

type InjectInstrument = Instrument<z.infer<typeof injectedSchema>>;

/** Sends frames on one link. */
export class Injector {
  readonly #instrument: InjectInstrument;

  private constructor(instrument: InjectInstrument) {
    this.#instrument = instrument;
  }

  /** Opens a link for sending. */
  static async open(at: Vantage, link = 'eth0'): Promise<Injector> {
    const task = { command: 'inject', options: { link }, answer: injectedSchema };
    return new Injector(await Instrument.start(at, task));
  }

  /**
   * Sends a frame once, or `count` times with pauses; answers when all are sent.
   * @throws {Error} when the link does not take them
   */
  async send(
    frame: Uint8Array,
    { count = 1, everyMs = 0 }: { readonly count?: number; readonly everyMs?: number } = {},
  ): Promise<void> {
    const pauseUs = Math.round(everyMs * 1_000);
    const line = `${count} ${pauseUs} ${Buffer.from(frame).toString('hex')}`;
    const answer = await this.#instrument.ask(line);
    if ('sent' in answer && answer.refused > 0) {
      throw new Error(`${answer.refused} of ${count} frames are not sent: ${answer.why}`);
    }
  }

  /** Ends it, and with it what is still being sent. */
  async close(): Promise<void> {
    await this.#instrument.stop();
  }
}
