/**
 * Plays the transcripts against the single file, each against a fresh agent: `npm run compat -- [--update] [PART…]`,
 * where PART is part of a file's name. What differs is shown; `--update` then also writes it into the file, for
 * whoever reviews the change: a transcript says what Contiv does, not what we do.
 */
import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { transcriptFiles } from './files.ts';
import { startFreshAgent } from './fresh-agent.ts';
import { mismatchText, play } from './play.ts';
import { updatedTranscript } from './transcript.ts';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { update: { type: 'boolean', default: false } },
});

const files = transcriptFiles(positionals);
if (files.length === 0) {
  process.stderr.write(`no transcript is named like ${positionals.join(' or ')}\n`);
  process.exit(2);
}
let [steps, mismatched] = [0, 0];
for (const { name, path, text } of files) {
  const agent = await startFreshAgent();
  try {
    const played = await play(text, agent);
    const { mismatches } = played;
    steps += played.steps;
    mismatched += mismatches.length;
    process.stdout.write(
      `${mismatches.length === 0 ? 'ok' : 'DIFFERS'}  ${name}  ${played.steps} steps\n`,
    );
    for (const mismatch of mismatches) process.stdout.write(mismatchText(name, mismatch));
    if (values.update && mismatches.length > 0) {
      writeFileSync(path, updatedTranscript(text, played.answers));
    }
  } finally {
    await agent.close();
  }
}
process.stdout.write(`${steps} steps in ${files.length} transcripts, ${mismatched} differ\n`);
if (values.update && mismatched > 0) {
  process.stdout.write(
    'files were written: git diff test/compat, and keep only what Contiv does\n',
  );
}
process.exit(mismatched === 0 ? 0 : 1);
