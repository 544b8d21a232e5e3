# An image for a class, on JupyterHub or anywhere: made from the same files as Binder's, which does not read this one.
# Keep the version of Python that environment.yml names.
FROM python:3.12-slim

ENV REPO_DIR=/home/jovyan/course
RUN useradd --create-home --uid 1000 jovyan
WORKDIR ${REPO_DIR}

COPY lock/course.txt lock/course.txt
RUN pip install --no-cache-dir --require-hashes -r lock/course.txt
# A hub wants its own version of this package in the images that it starts: --build-arg JUPYTERHUB=...
# What is there already keeps its version. (The lock itself is no use as constraints: it has hashes.)
ARG JUPYTERHUB=""
RUN test -z "${JUPYTERHUB}" || { pip freeze > /tmp/here.txt && pip install --no-cache-dir "jupyterhub==${JUPYTERHUB}" -c /tmp/here.txt; }

COPY . .
RUN binder/postBuild && chown -R jovyan: /home/jovyan
USER jovyan
EXPOSE 8888
ENTRYPOINT ["binder/start"]
CMD ["jupyter", "lab", "--ip=0.0.0.0", "--no-browser", "--LabApp.default_url=/lab/tree/notebooks/00_start_here/lesson_00_start_here.ipynb"]
