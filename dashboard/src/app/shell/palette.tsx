import { useInfiniteQuery } from "@tanstack/react-query";
import { Command, defaultFilter } from "cmdk";
import { CornerDownLeft, Keyboard, LogOut, Megaphone, Moon, Plus, Search, Sun } from "lucide-react";
import { Dialog as Radix } from "radix-ui";
import { type ReactNode, useState } from "react";
import { useNavigate } from "react-router";
import { campaignsQuery } from "@/api/queries/campaigns";
import { flatten } from "@/api/queries/pages";
import { signOut } from "@/api/session";
import type { Campaign } from "@/api/types";
import { State } from "@/components/ui/state";
import { setTheme, useTheme } from "@/lib/theme";
import { destinations } from "./navigation";
import { suggestions } from "./suggestions";

interface PaletteProps {
  open: boolean;
  onClose: () => void;
  onHelp: () => void;
}

/** Campaigns on offer before anything is typed. */
const RECENT = 5;

/** Letters that merely occur somewhere in this order are no match. */
const WEAKEST = 0.15;

function score(value: string, text: string, keywords?: string[]): number {
  const found = defaultFilter(value, text, keywords);
  return found < WEAKEST ? 0 : found;
}

/** The newest campaigns, the page that the list of campaigns begins with too: most often it is there already. */
function useCampaigns(searching: boolean): { campaigns: Campaign[]; areKnown: boolean } {
  const { data } = useInfiniteQuery(campaignsQuery());
  return {
    campaigns: flatten(data).slice(0, searching ? undefined : RECENT),
    areKnown: data !== undefined,
  };
}

export function Palette({ open, onClose, onHelp }: PaletteProps) {
  return (
    <Radix.Root open={open} onOpenChange={(next) => !next && onClose()}>
      <Radix.Portal>
        <Radix.Overlay className="fade-in fixed inset-0 z-40 bg-overlay" />
        <Radix.Content
          aria-describedby={undefined}
          className="rise-in fixed inset-x-3 top-[10vh] z-40 mx-auto max-w-xl overflow-hidden rounded-lg border border-line-strong bg-raised outline-none"
        >
          <Radix.Title className="sr-only">Search and act</Radix.Title>
          <Content onClose={onClose} onHelp={onHelp} />
        </Radix.Content>
      </Radix.Portal>
    </Radix.Root>
  );
}

function Content({ onClose, onHelp }: Omit<PaletteProps, "open">) {
  const [text, setText] = useState("");
  const navigate = useNavigate();
  const { dark } = useTheme();
  const { campaigns, areKnown } = useCampaigns(text.trim() !== "");
  const run = (action: () => void) => () => {
    onClose();
    action();
  };
  const go = (to: string) => run(() => navigate(to));
  // A choice outlives what appears above it, and Enter would lead past a campaign that came late: so choose anew.
  return (
    <Command key={String(areKnown)} loop label="Search and act" filter={score}>
      <div className="flex items-center gap-2.5 border-b px-4">
        <Search aria-hidden size={16} className="shrink-0 text-faint" />
        <Command.Input
          autoFocus
          value={text}
          onValueChange={setText}
          placeholder="Go to a page, paste an id, type a task, a campaign or an address"
          className="h-12 w-full bg-transparent text-base outline-none focus-visible:outline-none"
        />
      </div>
      <Command.List className="max-h-[min(24rem,60vh)] overflow-y-auto p-2">
        <Command.Empty className="px-2 py-8 text-center text-muted text-sm">
          Nothing found
        </Command.Empty>
        <Group heading="Go to">
          {destinations.map(({ to, label, icon: Icon }) => (
            <Item key={to} onSelect={go(to)} icon={<Icon aria-hidden size={15} />}>
              {label}
            </Item>
          ))}
        </Group>
        {campaigns.length > 0 && (
          <Group heading="Campaigns">
            {campaigns.map((campaign) => (
              <Item
                key={campaign.campaign_id}
                value={`${campaign.name} ${campaign.campaign_id}`}
                onSelect={go(`/campaigns/${campaign.campaign_id}`)}
                icon={<Megaphone aria-hidden size={15} />}
                aside={<State kind="campaign" status={campaign.status} />}
              >
                {campaign.name}
              </Item>
            ))}
          </Group>
        )}
        <Group heading="Act">
          <Item onSelect={go("/campaigns/new")} icon={<Plus aria-hidden size={15} />}>
            New campaign
          </Item>
          <Item
            onSelect={run(() => setTheme(dark ? "light" : "dark"))}
            icon={dark ? <Sun aria-hidden size={15} /> : <Moon aria-hidden size={15} />}
          >
            Switch to {dark ? "light" : "dark"}
          </Item>
          <Item onSelect={run(onHelp)} icon={<Keyboard aria-hidden size={15} />}>
            Keyboard shortcuts
          </Item>
          <Item onSelect={run(() => void signOut())} icon={<LogOut aria-hidden size={15} />}>
            Sign out
          </Item>
        </Group>
        {/* Last, so that Enter after the name of a page or a campaign leads there. */}
        {text.trim() && (
          <Group heading="Search">
            {suggestions(text).map(({ to, label }) => (
              <Item
                key={to}
                value={`${text} ${to}`}
                onSelect={go(to)}
                icon={<CornerDownLeft aria-hidden size={15} />}
              >
                {label}
              </Item>
            ))}
          </Group>
        )}
      </Command.List>
    </Command>
  );
}

function Group({ heading, children }: { heading: string; children: ReactNode }) {
  return (
    <Command.Group
      heading={heading}
      className="[&_[cmdk-group-heading]]:px-2 [&_[cmdk-group-heading]]:pt-2 [&_[cmdk-group-heading]]:pb-1 [&_[cmdk-group-heading]]:text-faint [&_[cmdk-group-heading]]:text-xs"
    >
      {children}
    </Command.Group>
  );
}

interface ItemProps {
  value?: string;
  onSelect: () => void;
  icon: ReactNode;
  aside?: ReactNode;
  children: ReactNode;
}

function Item({ value, onSelect, icon, aside, children }: ItemProps) {
  return (
    <Command.Item
      value={value}
      onSelect={onSelect}
      className="flex h-9 cursor-pointer items-center gap-2.5 rounded-md px-2 text-sm data-[selected=true]:bg-hover max-md:h-11"
    >
      <span className="text-faint">{icon}</span>
      <span className="min-w-0 flex-1 truncate">{children}</span>
      {aside}
    </Command.Item>
  );
}
