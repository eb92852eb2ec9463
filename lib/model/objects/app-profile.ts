/** Application profile: endpoint groups that belong together; a group in one cannot be removed. */
import { profileGroupsMax, siteNameCharactersMax } from '../../limits.ts';
import { describeKind, type ConfigOf } from './kind.ts';

/** The description of application profiles. */
export const appProfileKind = describeKind({
  name: 'appProfile',
  plural: 'appProfiles',
  doc: 'An application profile names endpoint groups that belong together, and keeps them from being removed.',
  key: ['tenantName', 'appProfileName'],
  access: 'all',
  fields: {
    tenantName: {
      type: 'text',
      format: 'siteName',
      charactersMax: siteNameCharactersMax,
      required: true,
      refers: { kind: 'tenant', missing: 'Tenant {name} not found', linked: false },
      doc: 'The tenant whose profile it is.',
    },
    appProfileName: {
      type: 'text',
      format: 'siteName',
      charactersMax: siteNameCharactersMax,
      required: true,
      doc: 'Name of the profile.',
    },
    endpointGroups: {
      type: 'list',
      format: 'siteName',
      charactersMax: siteNameCharactersMax,
      itemsMax: profileGroupsMax,
      refers: { kind: 'endpointGroup', missing: 'EndpointGroup {key} not found', linked: true },
      doc: 'The groups.',
    },
  },
  linkSets: { EndpointGroups: { kind: 'endpointGroup', named: ['endpointGroups'] } },
  links: { Tenant: { kind: 'tenant', named: ['tenantName'] } },
  oper: {},
  columns: [
    { head: 'Tenant', field: 'tenantName' },
    { head: 'AppProfile', field: 'appProfileName' },
    { head: 'Groups', field: 'endpointGroups' },
  ],
});

/** The configuration of an application profile. */
export type AppProfileConfig = ConfigOf<typeof appProfileKind>;
