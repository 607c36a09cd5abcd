import { ADMIN_ENDPOINTS } from './admin-endpoints.ts';
import { ADMIN_LINK_ENDPOINTS } from './admin-link-endpoints.ts';
import { ACCOUNT_ENDPOINTS } from './account-endpoints.ts';
import { DOMAIN_ENDPOINTS } from './domain-endpoints.ts';
import { BULK_ENDPOINTS } from './bulk-endpoints.ts';
import type { Endpoint } from './endpoint.ts';
import { IMAGE_ENDPOINTS } from './image-endpoints.ts';
import { IMAGE_VIEW_ENDPOINTS } from './image-view-endpoints.ts';
import { IMPORT_ENDPOINTS } from './import-endpoints.ts';
import { KEY_ENDPOINTS } from './key-endpoints.ts';
import { LINK_ENDPOINTS } from './link-endpoints.ts';
import { LIVE_ENDPOINTS } from './live-endpoints.ts';
import { ORPHAN_ENDPOINTS } from './orphan-endpoints.ts';
import { QR_ENDPOINTS } from './qr-endpoints.ts';
import { STATISTICS_ENDPOINTS } from './statistics-endpoints.ts';
import { TAG_ENDPOINTS } from './tag-endpoints.ts';
import { WEBHOOK_ENDPOINTS } from './webhook-endpoints.ts';

/** Every endpoint of the API, in the order of the page. */
export const ENDPOINTS: readonly Endpoint[] = [
  ...LINK_ENDPOINTS,
  ...BULK_ENDPOINTS,
  ...IMAGE_ENDPOINTS,
  ...IMAGE_VIEW_ENDPOINTS,
  ...QR_ENDPOINTS,
  ...STATISTICS_ENDPOINTS,
  ...LIVE_ENDPOINTS,
  ...IMPORT_ENDPOINTS,
  ...TAG_ENDPOINTS,
  ...ACCOUNT_ENDPOINTS,
  ...KEY_ENDPOINTS,
  ...WEBHOOK_ENDPOINTS,
  ...ADMIN_LINK_ENDPOINTS,
  ...ADMIN_ENDPOINTS,
  ...DOMAIN_ENDPOINTS,
  ...ORPHAN_ENDPOINTS,
];
