/** The parts list of a binary as CycloneDX 1.5 JSON. No time and no serial number: same input, same bytes. */
import type { Shipped } from './shipped.ts';

/** What the list is about. */
export interface Subject {
  readonly version: string;
  readonly commit: string | undefined;
  /** As in `linux-x64`. */
  readonly target: string;
}

/** The document, with a line end. */
export function billOfMaterials(subject: Subject, parts: readonly Shipped[]): string {
  const self = `pkg:generic/fairlead@${subject.version}`;
  const document = {
    bomFormat: 'CycloneDX',
    specVersion: '1.5',
    version: 1,
    metadata: {
      component: {
        type: 'application',
        'bom-ref': self,
        name: 'fairlead',
        version: subject.version,
        licenses: [{ expression: 'MIT' }],
        properties: [
          { name: 'fairlead:target', value: subject.target },
          { name: 'fairlead:commit', value: subject.commit ?? 'none' },
        ],
      },
    },
    components: parts.map((part) => ({
      type: 'library',
      'bom-ref': packageUrl(part),
      name: part.name,
      version: part.version,
      purl: packageUrl(part),
      licenses: [{ expression: part.license }],
      ...(part.integrity === undefined ? {} : { hashes: [hashOf(part.integrity)] }),
    })),
    dependencies: [{ ref: self, dependsOn: parts.map(packageUrl) }],
  };
  return `${JSON.stringify(document, undefined, 2)}\n`;
}

/** As the package URL specification writes npm packages: the @ of a scope is escaped. */
function packageUrl({ name, version }: Shipped): string {
  return `pkg:npm/${name.replace('@', '%40')}@${version}`;
}

function hashOf(integrity: string): { readonly alg: string; readonly content: string } {
  const [name = '', base64 = ''] = integrity.split('-', 2);
  if (name !== 'sha512') throw new Error(`${integrity} is no sha512 checksum`);
  return { alg: 'SHA-512', content: Buffer.from(base64, 'base64').toString('hex') };
}
