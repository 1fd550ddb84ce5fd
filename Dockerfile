# docker build -t ihaudit . && docker run --rm -v "$PWD/reports:/audit/reports" ihaudit        (the demo)
# docker run --rm -v "$PWD:/audit" ihaudit run scheme.py
FROM python:3.11-slim-bookworm

# pango and a font for PDF reports.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install -y --no-install-recommends libpango-1.0-0 libpangoft2-1.0-0 libharfbuzz-subset0 fonts-dejavu-core \
    && rm -rf /var/lib/apt/lists/*

WORKDIR /src
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY ihaudit ihaudit
COPY templates templates
RUN pip install --no-cache-dir -c constraints.txt . && rm -rf /src/*

# A scheme's code is confined further by ihaudit itself; nothing here needs root.
RUN useradd --create-home --uid 1000 auditor && mkdir /audit && chown auditor /audit
USER 1000
WORKDIR /audit
ENTRYPOINT ["ihaudit"]
CMD ["demo"]
