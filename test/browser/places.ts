import type { Furnished } from './furnish.ts';

/** A page of the site, in one of its states. */
export interface Place {
  readonly name: string;
  readonly path: string;
  readonly as: 'nobody' | 'owner' | 'admin';
  /** Default: 200. */
  readonly status?: number;
}

/** Every page for people. */
export function placesOf(found: Furnished): readonly Place[] {
  const { full, plain, deleted, webhookId, keyId, importId } = found;
  const of = (as: Place['as'], name: string, path: string, more: Partial<Place> = {}): Place => ({
    as,
    name,
    path,
    ...more,
  });
  return [
    of('nobody', 'front', '/'),
    of('nobody', 'sign-in', '/login'),
    of('nobody', 'sign-up', '/signup'),
    of('nobody', 'unknown', '/nosuchkey', { status: 404 }),
    of('nobody', 'preview', `/${plain}+`),
    of('nobody', 'api', '/docs'),
    of('nobody', 'parts-of-pages', '/docs/style'),
    of('owner', 'front-owner', '/'),
    of('owner', 'links', '/urls'),
    of('owner', 'links-none', '/urls?q=nothing-is-called-so'),
    of('owner', 'links-deleted', '/urls?state=deleted'),
    of('owner', 'new-link', '/urls/-/new'),
    of('owner', 'statistics', '/urls/-/statistics'),
    of('owner', 'statistics-none', '/urls/-/statistics?period=24h&tz=UTC&by=country'),
    of('owner', 'link', `/urls/${full}`),
    of('owner', 'link-plain', `/urls/${plain}`),
    of('owner', 'link-deleted', `/urls/${deleted}`),
    of('owner', 'link-of-nobody', '/urls/nosuchkey', { status: 404 }),
    of('owner', 'import', '/import'),
    of('owner', 'import-job', `/import/${importId}`),
    of('owner', 'profile', '/settings'),
    of('owner', 'password', '/settings/password'),
    of('owner', 'keys', '/settings/keys'),
    of('owner', 'key-revoke', `/settings/keys/${keyId}/revoke`),
    of('owner', 'webhooks', '/settings/webhooks'),
    of('owner', 'webhook', `/settings/webhooks/${webhookId}`),
    of('owner', 'delete-account', '/settings/delete'),
    of('owner', 'not-admin', '/admin/links', { status: 403 }),
    of('admin', 'admin-links', '/admin/links'),
    of('admin', 'admin-link', `/admin/links/${full}`),
    of('admin', 'admin-users', '/admin/users'),
    of('admin', 'admin-reports', '/admin/reports'),
    of('admin', 'admin-domains', '/admin/domains'),
    of('admin', 'admin-orphans', '/admin/orphans'),
  ];
}
