/** The transcripts there are. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

export interface TranscriptFile {
  /** As in `netctl/network.txt`. */
  readonly name: string;
  readonly path: string;
  readonly text: string;
}

/** All of them, or those whose names contain one of these texts. */
export function transcriptFiles(wanted: readonly string[] = []): readonly TranscriptFile[] {
  return ['fairlead', 'netctl', 'rest'].flatMap((folder) =>
    readdirSync(join(import.meta.dirname, folder))
      .filter((file) => file.endsWith('.txt'))
      .toSorted()
      .map((file) => {
        const path = join(import.meta.dirname, folder, file);
        return { name: `${folder}/${file}`, path, text: readFileSync(path, 'utf8') };
      })
      .filter(({ name }) => wanted.length === 0 || wanted.some((part) => name.includes(part))),
  );
}
