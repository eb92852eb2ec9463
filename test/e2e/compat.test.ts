/** Some of the transcripts of `test/compat`, each against a fresh agent; `npm run compat` plays all of them. */
import { expect, test } from 'vitest';
import { transcriptFiles } from '../compat/files.ts';
import { startFreshAgent } from '../compat/fresh-agent.ts';
import { mismatchText, play } from '../compat/play.ts';

const parts = ['rest/', 'fairlead/', 'netctl/bgp.txt'];

test.each(transcriptFiles(parts).map((file) => [file.name, file] as const))(
  '%s',
  async (name, { text }) => {
    const agent = await startFreshAgent();
    try {
      const { mismatches, steps } = await play(text, agent);
      expect(mismatches.map((mismatch) => mismatchText(name, mismatch)).join('\n')).toBe('');
      expect(steps).toBeGreaterThan(1);
    } finally {
      await agent.close();
    }
  },
);
