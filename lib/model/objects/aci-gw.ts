/** Gateway to an ACI fabric. Kept for Contiv's commands; nothing uses it. */
import { bindingsCharactersMax } from '../../limits.ts';
import { describeKind, type ConfigOf } from './kind.ts';

/** The description of the gateway to ACI. */
export const aciGwKind = describeKind({
  name: 'aciGw',
  plural: 'aciGws',
  doc: 'How an ACI fabric would be used; there is one, kept and used by nothing.',
  key: ['name'],
  single: 'aciGw',
  access: 'all',
  fields: {
    name: {
      type: 'text',
      format: 'name',
      charactersMax: 64,
      required: true,
      doc: 'Always `aciGw`.',
    },
    enforcePolicies: {
      type: 'text',
      format: 'yesNo',
      charactersMax: 8,
      words: ['yes', 'no'],
      default: 'yes',
      doc: 'Whether the fabric enforces policies.',
    },
    includeCommonTenant: {
      type: 'text',
      format: 'yesNo',
      charactersMax: 8,
      words: ['yes', 'no'],
      default: 'no',
      doc: 'Whether the common tenant is included.',
    },
    nodeBindings: {
      type: 'text',
      format: 'bindings',
      charactersMax: bindingsCharactersMax,
      doc: 'Paths of nodes, with commas between them.',
    },
    pathBindings: {
      type: 'text',
      format: 'bindings',
      charactersMax: bindingsCharactersMax,
      doc: 'Paths of ports, with commas between them.',
    },
    physicalDomain: {
      type: 'text',
      format: 'name',
      charactersMax: 128,
      doc: 'Name of the physical domain.',
    },
  },
  linkSets: {},
  links: {},
  oper: { numAppProfiles: { type: 'whole', doc: 'Application profiles of all tenants.' } },
  columns: [
    { head: 'Path bindings', field: 'pathBindings' },
    { head: 'Node bindings', field: 'nodeBindings' },
    { head: 'Physical domain', field: 'physicalDomain' },
    { head: 'Enforce policies', field: 'enforcePolicies' },
    { head: 'Include common tenant', field: 'includeCommonTenant' },
  ],
});

/** The configuration of the gateway to ACI. */
export type AciGwConfig = ConfigOf<typeof aciGwKind>;
