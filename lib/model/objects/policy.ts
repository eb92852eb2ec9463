/** Policy: rules that endpoint groups have in common. */
import { siteNameCharactersMax } from '../../limits.ts';
import { describeKind, type ConfigOf } from './kind.ts';

/** The description of policies. */
export const policyKind = describeKind({
  name: 'policy',
  plural: 'policys',
  doc: 'A policy is a set of rules; groups that have it are filtered by them.',
  key: ['tenantName', 'policyName'],
  access: 'all',
  fields: {
    tenantName: {
      type: 'text',
      format: 'siteName',
      charactersMax: siteNameCharactersMax,
      required: true,
      refers: { kind: 'tenant', missing: 'Tenant not found', linked: false },
      doc: 'The tenant whose policy it is.',
    },
    policyName: {
      type: 'text',
      format: 'siteName',
      charactersMax: siteNameCharactersMax,
      required: true,
      doc: 'Name of the policy.',
    },
  },
  linkSets: {
    EndpointGroups: { kind: 'endpointGroup', naming: ['policies'] },
    Rules: { kind: 'rule', naming: ['policyName'] },
  },
  links: { Tenant: { kind: 'tenant', named: ['tenantName'] } },
  oper: {
    endpoints: { type: 'objects', doc: 'The containers of its groups.' },
    numEndpoints: { type: 'whole', doc: 'The containers of its groups.' },
  },
  columns: [
    { head: 'Tenant', field: 'tenantName' },
    { head: 'Policy', field: 'policyName' },
  ],
});

/** The configuration of a policy. */
export type PolicyConfig = ConfigOf<typeof policyKind>;
