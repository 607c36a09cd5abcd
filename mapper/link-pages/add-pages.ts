import type { PageRoutes } from '../pages/page-routes.ts';
import { addAdminLinkPages } from './admin-link-pages.ts';
import { addAdminPages } from './admin-pages.ts';
import { addDomainPages, type ShownDomains } from './domain-pages.ts';
import { addImportPages } from './import-pages.ts';
import { addLinkPages } from './link-pages.ts';
import { addListPages } from './list-pages.ts';
import { addNewLinkPage } from './new-link-page.ts';
import { addOverviewPage } from './overview-page.ts';

/** The pages of one's own links, of imports, and those of administrators. */
export function addPagesOfLinks(pages: PageRoutes, domains: ShownDomains): void {
  addListPages(pages);
  addNewLinkPage(pages);
  addOverviewPage(pages);
  addLinkPages(pages);
  addImportPages(pages);
  addAdminLinkPages(pages);
  addAdminPages(pages);
  addDomainPages(pages, domains);
}
